"""The targets: for each a figure of naruto's, as a ratio within one run, and its bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import attrs

from .adapters import ALL
from .results import Key, Results

Figure = Callable[[Results], float | None]
"""Takes a figure from the results; None where this run has not measured it."""

NARUTO, AT_ONCE, FLOOR, BARE = "naruto", "naruto --surge 100%", "floor", "bare floor"


@attrs.frozen
class Target:
    """One line of the table.

    Attributes:
        text: What is compared with what.
        bound: What it may be at most; at least, where that is said.
        figure: Takes what is compared.
    """

    text: str
    bound: float
    figure: Figure
    at_least: bool = False

    def met(self, figure: float) -> bool:
        """Whether a figure is good enough."""
        return figure >= self.bound if self.at_least else figure <= self.bound

    @property
    def wanted(self) -> str:
        """The bound, in words."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


def ratio(key: Key, name: str = NARUTO, other: str = FLOOR) -> Figure:
    """Return what takes a ratio to somebody else's figure."""
    return lambda results: results.ratio(key, name, other)


def extreme(key: Key, worst: Callable[[list[float]], float]) -> Figure:
    """Return what takes the worst figure of all repetitions, naruto's ways taken together."""

    def figure(results: Results) -> float | None:
        found = [*results.of(key, NARUTO), *results.of(key, AT_ONCE)]
        return worst(found) if found else None

    return figure


def growth(measure: str, small: int, large: int) -> Figure:
    """Return what takes the ratio of a step's cost in a large service to a small one's."""

    def figure(results: Results) -> float | None:
        little, much = (results.median(Key(measure, n), NARUTO) for n in (small, large))
        return much / little if little and much else None

    return figure


def _ahead(key: Key) -> Figure:
    """Return what takes how many times the fastest peer's figure is naruto's."""

    def figure(results: Results) -> float | None:
        peers = [one.name for one in ALL if one.kind == "peer"]
        found = [r for name in peers if (r := results.ratio(key, name, NARUTO)) is not None]
        return min(found, default=None)

    return figure


def _growths() -> Iterator[Target]:
    for measure in ("CPU of a message", "CPU of a reload's step", "CPU of a respawn"):
        for small, large in ((32, 320), (320, 1000)):
            text = f"{measure}: {large:,} workers / {small} workers"
            yield Target(text, 1.3, growth(measure, small, large))


TARGETS = (
    Target("start of 200 / floor with the same imports", 1.5, ratio(Key("start", 200))),
    Target("start of 200: fastest peer / naruto", 8.0, _ahead(Key("start", 200)), True),
    Target(
        "start of 200 / floor without imports (the dream)",
        1.5,
        ratio(Key("start", 200), other=BARE),
    ),
    Target("reload of 32, surge 100 % / floor", 2.5, ratio(Key("reload", 32), AT_ONCE)),
    Target("reload of 32, default surge / floor", 5.0, ratio(Key("reload", 32))),
    Target("lowest strength in a reload of 32", 32, extreme(Key("strength", 32), min), True),
    Target("loops cut in reloads of 32", 0, extreme(Key("loops cut", 32), max)),
    Target("respawn in a service of 4 / floor", 2.0, ratio(Key("respawn", 4))),
    Target("stop of 32 / floor", 1.5, ratio(Key("stop", 32))),
    *(
        Target(f"idle master of {size:,}: {what}", 0, extreme(Key(measure, size), max))
        for size in (32, 1000)
        for what, measure in (
            ("context switches", "idle switches"),
            ("CPU, ms", "idle CPU"),
        )
    ),
    Target("PSS of a worker of 32 / floor", 1.15, ratio(Key("memory of a worker", 32))),
    Target(
        "loop of nothing / bare loop",
        0.35,
        ratio(Key("loop of nothing"), other="bare loop"),
        True,
    ),
    Target(
        "loop of 1 us / bare loop", 0.9, ratio(Key("loop of 1 us"), other="bare loop"), True
    ),
    Target("message round trip / raw FIFO", 2.0, ratio(Key("message"), other="raw FIFO")),
    *_growths(),
)


def judged(results: Results) -> Iterator[tuple[Target, float]]:
    """Yield each target of which there is a figure."""
    for target in TARGETS:
        figure = target.figure(results)
        if figure is not None and not math.isnan(figure):
            yield target, figure
