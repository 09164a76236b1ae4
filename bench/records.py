"""What the workers' records tell afterwards: who worked when, and whose loop was cut."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

import attrs

from .work import RECORD_BYTES

_FORM = struct.Struct(f"={RECORD_BYTES // 8}q")


@attrs.frozen
class Record:
    """One worker's record: times in nanoseconds of the monotonic clock.

    Attributes:
        ready: When it could have begun to loop.
        first: When its first loop began, 0 before that.
        began: When its newest loop began.
        ended: When the last loop that it has done ended.
        begun, done: How many loops it has begun and done.
        alive: Whether it lived when the record was read.
    """

    ready: int
    first: int
    began: int
    ended: int
    begun: int
    done: int
    alive: bool = True

    @property
    def cut(self) -> bool:
        """Whether it has died in the middle of a loop."""
        return not self.alive and self.begun != self.done

    @property
    def last(self) -> float:
        """When it left its work: at the end of its last loop, or in it; never if it lives."""
        return float("inf") if self.alive else max(self.began, self.ended)


def read(home: str, alive: Iterable[int]) -> dict[int, Record]:
    """Return the record of every worker that ever was in a home, by its pid."""
    living = frozenset(alive)
    found = {}
    for name in os.listdir(f"{home}/records"):
        with open(f"{home}/records/{name}", "rb") as file:
            data = file.read()
        if len(data) == RECORD_BYTES:  # else it was just being made
            found[int(name)] = Record(*_FORM.unpack(data), alive=int(name) in living)
    return found


def lowest_strength(records: Iterable[Record], since: int, until: int) -> int:
    """Return how few workers there were at a time, from ready to the end of the last loop."""
    return _lowest([(one.ready, one.last) for one in records if one.first], since, until)


def lowest_in_loops(records: Iterable[Record], since: int, until: int) -> int:
    """Return how few workers looped at a time: a handing over is a gap here, however short."""
    return _lowest([(one.first, one.last) for one in records if one.first], since, until)


def _lowest(spans: list[tuple[int, float]], since: int, until: int) -> int:
    """Return the least number of spans that cover any one moment in between."""
    changes = [(begin, 1) for begin, end in spans if begin <= until]
    changes += [(end, -1) for _, end in spans if end <= until]
    now = sum(step for at, step in changes if at <= since)
    lowest = now
    # Who comes at the moment at which another one goes takes its place.
    for _, step in sorted((c for c in changes if c[0] > since), key=lambda c: (c[0], -c[1])):
        now += step
        lowest = min(lowest, now)
    return lowest
