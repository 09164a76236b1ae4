"""What is said of a run: tables in Markdown, every figure with its spread and its ratio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from .plan import Plan
from .results import FLOOR, Key, Results
from .targets import judged


@attrs.frozen
class Section:
    """One table.

    Attributes:
        title: Its heading.
        words: What was measured, and how.
        measures: Its measures; sizes become columns, several measures as well.
        base: Whose figures the ratios are to.
        places: Decimal places of a figure.
    """

    title: str
    words: str
    measures: tuple[str, ...]
    base: str = FLOOR
    places: int = 0


SECTIONS = (
    Section(
        "Start, ms",
        "From the exec of the master until the last worker has begun its first loop.",
        ("start",),
    ),
    Section(
        "Reload, ms",
        "From the request until as many new workers are at work and the old ones are gone,"
        " under loops of 10 ms.",
        ("reload",),
    ),
    Section(
        "Strength during a reload",
        "The fewest workers that were there at any moment, from ready to the end of the"
        " last loop.",
        ("strength",),
        base="",
    ),
    Section("Loops cut by a reload", "", ("loops cut",), base=""),
    Section(
        "Respawn, ms",
        "From SIGKILL of one worker until its replacement has begun its first loop; workers"
        " had lived for longer than any master punishes.",
        ("respawn",),
        places=1,
    ),
    Section(
        "Stop, ms",
        "From the request until the master has exited; the workers rest.",
        ("stop",),
    ),
    Section(
        "Idle master",
        "CPU in milliseconds, and context switches, of the master in one look.",
        ("idle CPU", "idle switches"),
        base="",
        places=1,
    ),
    Section(
        "Memory, MB (PSS)",
        "",
        ("memory of the master", "memory of a worker"),
        places=1,
    ),
    Section(
        "Loops a second",
        "A worker whose `business()` does nothing, or counts for 1 or 10 µs, against"
        " `while not flag: business()`.",
        ("loop of nothing", "loop of 1 us", "loop of 10 us"),
        base="bare loop",
    ),
    Section(
        "Message",
        "To a worker that waits between two loops: microseconds until it has acted and its"
        " answer is there, and messages a second in batches of 100. The message is `hold`;"
        " the others echo.",
        ("message", "messages"),
        base="raw FIFO",
    ),
    Section(
        "Cost of one step to the master, ms of CPU",
        "",
        ("CPU of a message", "CPU of a reload's step", "CPU of a respawn"),
        base="",
        places=3,
    ),
    Section(
        "A large service",
        "From its start to its end, each worker looping once a second: the times of `start`,"
        " `status`, `reload` and `stop`, the memory that the machine has less of at the worst"
        " moment, and what is left afterwards.",
        (
            *("start, ms", "status, ms", "reload, ms", "stop, ms"),
            *("peak of memory, MB", "descriptors of the master", "processes and files left"),
        ),
        base="",
    ),
    Section(
        "Preload",
        "32 workers of a module that takes 300 ms to import and holds 100 MB: milliseconds,"
        " and megabytes of all workers (PSS).",
        ("start of a large module", "reload of a large module", "memory of a large module"),
        base="without",
    ),
    Section(
        "Import, ms",
        "Until the version is printed, or everything is imported.",
        ("version",),
        base="bare floor",
    ),
)


def report(results: Results, plan: Plan, machine: str, versions: str) -> str:
    """Return the whole text."""
    head = (
        f"Measured on {machine}. {versions}.",
        f"Each figure is the median of {plan.repetitions} repetitions (in brackets the least"
        " and the most); a ratio is the median of the ratios within each repetition. In each"
        " repetition every program has its turn, in rotated order.",
    )
    tables = [_targets(results), *(_section(results, one) for one in SECTIONS)]
    return "\n\n".join([*head, *filter(None, tables)]) + "\n"


def _targets(results: Results) -> str:
    rows = [
        (target.text, target.wanted, f"{figure:.3g}", "met" if target.met(figure) else "missed")
        for target, figure in judged(results)
    ]
    return f"## Targets\n\n{table(('figure', 'target', 'naruto', ''), rows)}" if rows else ""


def _section(results: Results, section: Section) -> str:
    keys = [
        key for m in section.measures for key in sorted(results.figures) if key.measure == m
    ]
    if not keys:
        return ""
    names = list(dict.fromkeys(name for key in keys for name in results.names(key)))
    several = len(section.measures) > 1
    columns = [_column(key, several) for key in keys]
    rows = [(name, *(_cell(results, key, name, section) for key in keys)) for name in names]
    parts = [f"## {section.title}", section.words, table(("", *columns), rows)]
    return "\n\n".join(filter(None, [*parts, *_reasons(results, keys)]))


def _column(key: Key, several: bool) -> str:
    size = f"{key.size:,} workers" if key.size else ""
    return ", ".join(filter(None, (key.measure if several or not size else "", size)))


def _cell(results: Results, key: Key, name: str, section: Section) -> str:
    found = sorted(results.of(key, name))
    if not found:
        return "–"
    middle = results.median(key, name) or 0.0
    shown = [f"{one:,.{section.places}f}" for one in (middle, found[0], found[-1])]
    text = shown[0] if found[0] == found[-1] else f"{shown[0]} ({shown[1]}–{shown[2]})"
    ratio = results.ratio(key, name, section.base)
    return text if ratio is None or name == section.base else f"{text}, {ratio:.2f}×"


def _reasons(results: Results, keys: Iterable[Key]) -> Iterator[str]:
    for key in keys:
        for name, reason in results.reasons.get(key, {}).items():
            yield f"{name}, {key.size:,} workers: no figure: {reason}."


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
