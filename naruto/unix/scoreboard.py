"""The scoreboard: numbers of every worker in memory that all processes share.

A worker writes its own line without a system call and without waking anybody; the master
reads whenever it likes, also while every worker is deep in a loop. Each number is one
aligned store of 8 bytes by its only writer, so none is ever half written. The memory is
allocated when it is made and sealed against shrinking (memfd_create(2), fcntl(2)), so that
a store can't fault where the disk is full or a file was truncated.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
from collections.abc import Collection, Iterable
from enum import IntEnum

import attrs

BYTES = 256
"""The length of a line."""
TEXT = 128
"""Where in a line the text begins; it may fill the rest."""
SEGMENT = 64
"""The fewest lines that are allocated at once."""

PID, GENERATION, STATE, LOOPS, ERRORS, BEGAN, BUSY, LONGEST = range(8)
"""The numbers of a line, each 8 bytes. BEGAN is when its state began, on the monotonic
clock; BUSY the time spent in loops; LONGEST the longest loop: all in nanoseconds."""


class Doing(IntEnum):
    """What a worker says that it is doing."""

    STARTING = 0
    WAITING = 1  # for its first go
    LOOPING = 2
    RESTING = 3
    HELD = 4
    STOPPING = 5


_DOINGS = frozenset(Doing)


@attrs.frozen
class Reading:
    """A line as the master saw it; times are in seconds."""

    doing: Doing
    loops: int
    errors: int
    began: float
    busy: float
    longest: float
    working_on: str


@attrs.define(eq=False)
class Line:
    """One worker's own line.

    Attributes:
        memory: All of it.
        numbers: Eight-byte integers, to be stored to by index.
        text: The bytes of ``working_on``, ended by a zero.
    """

    memory: memoryview
    numbers: memoryview
    text: memoryview

    @classmethod
    def over(cls, memory: memoryview) -> Line:
        """Lay a line over BYTES bytes of memory."""
        return cls(memory, memory[:TEXT].cast("q"), memory[TEXT:])

    @classmethod
    def of_nobody(cls) -> Line:
        """Return a line that no other process sees."""
        return cls.over(memoryview(bytearray(BYTES)))

    def write_text(self, text: str) -> None:
        """Show the start of a text."""
        data = text.encode(errors="replace")[: BYTES - TEXT - 1]
        self.text[: len(data) + 1] = data + b"\0"

    def loop_began(self) -> float | None:
        """Return when the loop began that its worker is in; None where it is in none."""
        return self.numbers[BEGAN] / 1e9 if self.numbers[STATE] == Doing.LOOPING else None

    def release(self) -> None:
        """Let go of the memory."""
        for view in (self.numbers, self.text, self.memory):
            view.release()

    def read(self) -> Reading:
        """Return what the worker has written last."""
        n = self.numbers
        text = bytes(self.text).split(b"\0", 1)[0].decode(errors="ignore")
        times = (n[BEGAN] / 1e9, n[BUSY] / 1e9, n[LONGEST] / 1e9)
        doing = Doing(n[STATE]) if n[STATE] in _DOINGS else Doing.STARTING  # a stray store
        return Reading(doing, n[LOOPS], n[ERRORS], *times, text)


@attrs.define(eq=False)
class Segment:
    """Some lines in one piece of shared memory."""

    memory: mmap.mmap
    view: memoryview
    fd: int

    @classmethod
    def make(cls, lines: int) -> Segment:
        """Allocate lines.

        Raises:
            OSError: There is no memory left for them.
        """
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        fd = os.memfd_create("naruto-scoreboard", flags)
        try:
            os.posix_fallocate(fd, 0, lines * BYTES)
        except OSError:
            os.close(fd)
            raise
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return cls.over(fd, lines * BYTES)

    @classmethod
    def over(cls, fd: int, length: int) -> Segment:
        """Map the memory behind a descriptor."""
        if sys.version_info >= (3, 13):
            memory = mmap.mmap(fd, length, trackfd=False)
        else:  # keeps a duplicate of the descriptor, closed with the map
            memory = mmap.mmap(fd, length)
        return cls(memory, memoryview(memory), fd)

    def close(self) -> None:
        """Give the memory back; nobody may look at it any more."""
        os.close(self.fd)
        self.view.release()
        self.memory.close()


@attrs.define
class Scoreboard:
    """All lines. Grows by segments; what is mapped stays where it is."""

    _segments: list[Segment] = attrs.field(factory=list)
    _free: list[Line] = attrs.field(factory=list)
    _taken: dict[int, Line] = attrs.field(factory=dict)
    _places: dict[int, tuple[int, int]] = attrs.field(factory=dict)

    @classmethod
    def kept(cls, fds: Iterable[int], taken: Collection[tuple[int, int]]) -> Scoreboard:
        """Map the segments that this process had before an exec.

        Args:
            fds: Of the segments, the oldest first.
            taken: The places of lines that somebody writes: `line_of` finds them.
        """
        board = cls()
        for fd in fds:
            board._add(Segment.over(fd, os.fstat(fd).st_size))
        for line in [line for line in board._free if board.place_of(line) in taken]:
            board._free.remove(line)
            board._taken[id(line)] = line
        return board

    def line_of(self, place: tuple[int, int]) -> Line:
        """Return the line in use at a place."""
        return next(line for line in self._taken.values() if self.place_of(line) == place)

    @classmethod
    def attached(cls, fd: int) -> Scoreboard:
        """Map one segment that another process has made."""
        return cls([Segment.over(fd, os.fstat(fd).st_size)])

    def line_at(self, at: int) -> Line:
        """Return the line at an offset in bytes of the only segment."""
        line = Line.over(self._segments[0].view[at : at + BYTES])
        self._taken[id(line)] = line  # to be released with the map
        return line

    def place_of(self, line: Line) -> tuple[int, int]:
        """Return the descriptor of a line's segment, and where in it the line begins."""
        return self._places[id(line)]

    def reserve(self, lines: int) -> None:
        """See to it that there are so many lines, taken ones included.

        Raises:
            OSError: There is no memory for them.
        """
        missing = lines - len(self._free) - len(self._taken)
        if missing <= 0:
            return
        self._add(Segment.make(max(SEGMENT, missing)))

    def _add(self, segment: Segment) -> None:
        self._segments.append(segment)
        whole = segment.view
        cuts = range(0, len(whole), BYTES)
        for at in reversed(cuts):
            line = Line.over(whole[at : at + BYTES])
            self._places[id(line)] = (segment.fd, at)
            self._free.append(line)

    def take(self) -> Line:
        """Take a line that is free, all zeros."""
        self.reserve(len(self._taken) + 1)
        line = self._free.pop()
        line.memory[:] = bytes(BYTES)
        self._taken[id(line)] = line
        return line

    def give_back(self, line: Line) -> None:
        """Let somebody else have a line."""
        self._free.append(self._taken.pop(id(line)))

    @property
    def descriptors(self) -> list[int]:
        """What is open for it."""
        return [segment.fd for segment in self._segments]

    def close(self) -> None:
        """Give all memory back."""
        for line in (*self._free, *self._taken.values()):
            line.release()
        self._free.clear()
        self._taken.clear()
        for segment in self._segments:
            segment.close()
        self._segments.clear()
