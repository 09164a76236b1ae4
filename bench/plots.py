"""The pictures: time over the number of workers, for everybody."""

from __future__ import annotations

from collections.abc import Iterator

from .results import Results

SHOWN = (("start", "Start"), ("reload", "Reload under 10 ms loops"))


def draw(results: Results, folder: str) -> Iterator[tuple[str, str]]:
    """Write a picture of each measure that was taken at several sizes.

    Yields:
        Its title, and the file's name in the folder.
    """
    import matplotlib  # heavy, and needed by nothing else here

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "naruto"  # the same figures give the same file
    from matplotlib import pyplot

    for measure, title in SHOWN:
        keys = [key for key in sorted(results.figures) if key.measure == measure]
        if len(keys) < 2:
            continue
        figure, axes = pyplot.subplots(figsize=(8, 5))
        for name in dict.fromkeys(name for key in keys for name in results.names(key)):
            points = [(key.size, results.median(key, name)) for key in keys]
            sizes, times = zip(*((n, t) for n, t in points if t is not None), strict=True)
            wide = 2.5 if name.startswith("naruto") else 1.2
            axes.loglog(sizes, times, marker="o", linewidth=wide, label=name)
        axes.set(xlabel="workers", ylabel="milliseconds", title=title)
        axes.set_xticks([key.size for key in keys], [f"{key.size:,}" for key in keys])
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
        figure.savefig(f"{folder}/{measure}.svg", metadata={"Date": None}, bbox_inches="tight")
        pyplot.close(figure)
        yield title, f"{measure}.svg"
