"""The rate of a worker's loop, against a bare ``while not flag: business()`` in one run.

The worker is a real one: forked, with its pipes, told to leave through its FIFO by a timer
of the measuring process; it counts on its scoreboard line.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

from naruto import WorkerProcess
from naruto.core.messages import encode
from naruto.unix.scoreboard import LOOPS, Scoreboard
from naruto.work.mailbox import Mailbox
from naruto.worker import Post

SECONDS = 0.5


class Empty(WorkerProcess):
    """Does nothing, at once again."""

    def business(self) -> bool:
        """Return True."""
        return True


class Microsecond(WorkerProcess):
    """Keeps a processor busy for a microsecond, at once again."""

    def business(self) -> bool:
        """Count a little."""
        _microsecond()
        return True


def _calibrated() -> range:
    """Return what to count through so that one call takes a microsecond here."""
    for length in range(1, 1000):
        work = range(length)
        began = time.perf_counter()
        for _ in range(2000):
            for _ in work:
                pass
        if (time.perf_counter() - began) / 2000 >= 0.9e-6:
            return work
    return range(1000)


_WORK = _calibrated()


def _microsecond() -> None:
    for _ in _WORK:
        pass


def bare(business: Callable[[], object], seconds: float) -> float:
    """Return loops a second of the bare loop, stopped by an alarm."""
    import signal

    flag = []
    signal.signal(signal.SIGALRM, lambda number, frame: flag.append(1))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    loops, began = 0, time.monotonic()
    while not flag:
        business()
        loops += 1
    return loops / (time.monotonic() - began)


def worker(cls: type[WorkerProcess], seconds: float) -> float:
    """Return loops a second of a worker that is told to leave after some seconds."""
    board = Scoreboard()
    line = board.take()
    inbox, told = os.pipe2(os.O_NONBLOCK)
    heard, outbox = os.pipe2(os.O_NONBLOCK)
    watched, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(held)
        mailbox = Mailbox("bench-0.1", inbox, outbox, watched)
        post = Post(
            "bench", "bench", 0, 1, 1, "", mailbox, line, os.open(os.devnull, os.O_WRONLY)
        )
        os._exit(cls.create(post).run())
    os.write(told, encode("go"))
    began = time.monotonic()
    select.select([], [], [], seconds)  # the measure itself
    os.write(told, encode("quit"))
    os.waitpid(pid, 0)
    rate = line.numbers[LOOPS] / (time.monotonic() - began)
    for fd in (inbox, told, heard, outbox, watched, held):
        os.close(fd)
    return rate


def _ratio(cls: type[WorkerProcess]) -> float:
    business = cls.__new__(cls).business
    first, middle, last = (
        bare(business, SECONDS / 2),
        worker(cls, SECONDS),
        bare(business, SECONDS / 2),
    )
    return middle / ((first + last) / 2)


MEASURES = (
    ("loop of nothing / bare loop", ">= 0.35", lambda: _ratio(Empty)),
    ("loop of 1 us / bare loop", ">= 0.90", lambda: _ratio(Microsecond)),
)
