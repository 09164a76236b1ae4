"""Reads the workers' ledger: which loops were begun and not ended, and who was at work at once.

It knows the lines that shop.py writes, and nothing of a running service.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs


@attrs.frozen
class Entry:
    """One line.

    Attributes:
        what: start, begin, end, fail (a loop that is over with an error), stop, or child.
        who: The worker's name, as in "orders-0.17"; of a child, its worker's.
        pid: Whose line it is.
        at: Nanoseconds on the monotonic clock; 0 for a child.
    """

    what: str
    who: str
    pid: int
    loop: int
    version: int
    at: int

    @classmethod
    def read(cls, line: str) -> Entry:
        """Read a line."""
        what, who, *numbers = line.split()
        return cls(what, who, *map(int, numbers))

    @property
    def slot(self) -> str:
        """Group and index, as in "orders-0"."""
        return self.who.rpartition(".")[0]


def entries(path: Path) -> Iterator[Entry]:
    """Yield every whole line, in the order of the facts.

    A reader may see the first half of a write that crosses a page.
    """
    text = path.read_text() if path.exists() else ""
    return (Entry.read(line) for line in text[: text.rfind("\n") + 1].splitlines())


def versions(path: Path) -> dict[int, int]:
    """Return which code each worker has started with, by pid; a pid's last life counts."""
    return {e.pid: e.version for e in entries(path) if e.what == "start"}


def children(path: Path) -> dict[int, str]:
    """Return whose child each process is that a worker has started."""
    return {e.pid: e.who for e in entries(path) if e.what == "child"}


@attrs.frozen
class Cut:
    """A loop without an end.

    Attributes:
        loop: Its number.
        until: When another worker of the same index began one, on the monotonic clock in
            nanoseconds; None where nobody did.
    """

    loop: int
    until: int | None = None


def judge(path: Path, alive: frozenset[int] = frozenset()) -> tuple[dict[str, Cut], list[str]]:
    """Go through the ledger.

    Args:
        path: Where it is.
        alive: Pids of workers that may still be in a loop.

    Returns:
        Who was cut: whoever knows why it died must say whether that is right. And sentences
        on what must never be.
    """
    at_work: dict[str, Entry] = {}
    cut: dict[str, Cut] = {}
    wrong: list[str] = []
    for entry in entries(path):
        if entry.what in ("child", "start", "stop"):
            continue
        other = at_work.get(entry.slot)
        if entry.who in cut:
            wrong.append(f"{entry} though another of its index has begun since")
        elif entry.what == "begin":
            if other is not None:
                cut[other.who] = Cut(other.loop, entry.at)
            at_work[entry.slot] = entry
        elif other is None or (other.who, other.loop) != (entry.who, entry.loop):
            wrong.append(f"{entry} ends what it has not begun")
        else:
            del at_work[entry.slot]
    cut |= {e.who: Cut(e.loop) for e in at_work.values() if e.pid not in alive}
    return cut, wrong
