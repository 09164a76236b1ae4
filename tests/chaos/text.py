"""Reads a service's log as text: dates, and tracebacks with whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import naruto

_HEAD = re.compile(r"^(\S+ \S+) [A-Z]+ +(\S+\[\d+\]) ")
_FRAME = re.compile(r'^\s+File "([^"]+)", line')
_PACKAGE = str(Path(naruto.__file__).parent)


def dated(line: str) -> datetime:
    """Return when a line was written."""
    match = _HEAD.match(line)
    assert match is not None, line
    return datetime.fromisoformat(match[1])


def tracebacks(log: str) -> Iterator[list[str]]:
    """Yield the lines of each traceback, without their heads; processes may take turns."""
    open_ones: dict[str, list[str]] = {}
    for line in log.splitlines():
        head = _HEAD.match(line)
        where, body = (head[2], line[head.end() :]) if head else ("", line)
        if body.startswith("Traceback (most recent call last)"):
            if where in open_ones:
                yield open_ones[where]
            open_ones[where] = [body]
        elif where in open_ones:
            open_ones[where].append(body)
            if body and not body.startswith(" "):
                yield open_ones.pop(where)
    yield from open_ones.values()


def is_ours(traceback: list[str]) -> bool:
    """Whether the frame that raised is naruto's own.

    Code of the standard library counts for whoever has called it.
    """
    files = [match[1] for line in traceback if (match := _FRAME.match(line))]
    known = [file for file in files if file.startswith(_PACKAGE) or "/releases/" in file]
    return bool(known) and known[-1].startswith(_PACKAGE)
