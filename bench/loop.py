"""The rate of a worker's loop, against a bare ``while not flag: business()`` in one run.

The worker is a real one, with its pipes and its line on a scoreboard, where it counts.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
import timeit
from collections.abc import Callable

from naruto import WorkerProcess
from naruto.core.messages import encode
from naruto.unix.scoreboard import LOOPS, Scoreboard
from naruto.work.mailbox import Mailbox
from naruto.worker import Post

SECONDS = 0.3
PAIRS = 3


class Empty(WorkerProcess):
    """Does nothing, at once again."""

    def business(self) -> bool:
        """Return True."""
        return True


class Microsecond(WorkerProcess):
    """Keeps a processor busy for a microsecond, at once again."""

    def business(self) -> bool:
        """Count a little."""
        _count(_WORK)
        return True


def _calibrated() -> range:
    """Return what to count through so that one call takes a microsecond here, at its best."""
    length = 1
    while _best(range(length)) < 1e-6:
        length += max(1, length // 20)
    return range(length)


def _best(work: range) -> float:
    return min(timeit.repeat(lambda: _count(work), number=500, repeat=9)) / 500


def _count(work: range) -> None:
    for _ in work:
        pass


_WORK = _calibrated()


def bare(business: Callable[[], object], seconds: float) -> float:
    """Return loops a second of the bare loop, which an alarm ends."""
    flag: list[int] = []
    _after(seconds, lambda: flag.append(1))
    loops, began = 0, time.monotonic()
    while not flag:
        business()
        loops += 1
    return loops / (time.monotonic() - began)


def worker(cls: type[WorkerProcess], seconds: float) -> float:
    """Return loops a second of a worker, which an alarm tells to leave through its pipe.

    It lives in this process, where the bare loop runs as well: two processes may differ
    by more than what is measured.
    """
    board = Scoreboard()
    line = board.take()
    inbox, told = os.pipe2(os.O_NONBLOCK)
    heard, outbox = os.pipe2(os.O_NONBLOCK)
    watched, held = os.pipe()
    mailbox = Mailbox("bench-0.1", inbox, outbox, watched)
    post = Post("bench", "bench", 0, 1, 1, "", mailbox, line, held)
    os.write(told, encode("go"))
    _after(seconds, lambda: os.write(told, encode("quit")))
    began = time.monotonic()
    cls.create(post).run()
    rate = line.numbers[LOOPS] / (time.monotonic() - began)
    for fd in (inbox, told, heard, outbox, watched, held, mailbox.news):
        os.close(fd)
    return rate


def _after(seconds: float, call: Callable[[], object]) -> None:
    signal.signal(signal.SIGALRM, lambda number, frame: call())
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _ratio(cls: type[WorkerProcess]) -> float:
    """Return the median ratio of some pairs."""
    business = cls.__new__(cls).business
    pairs = [(worker(cls, SECONDS), bare(business, SECONDS)) for _ in range(PAIRS)]
    return statistics.median(ours / theirs for ours, theirs in pairs)


MEASURES = (
    ("loop of nothing / bare loop", ">= 0.35", lambda: _ratio(Empty)),
    ("loop of 1 us / bare loop", ">= 0.90", lambda: _ratio(Microsecond)),
)
