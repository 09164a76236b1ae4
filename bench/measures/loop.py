"""The rate of a worker's loop, in loops a second, against a bare ``while not flag`` loop.

The worker is a real one, with its pipes and its line on a scoreboard, where it counts. Both
run in this process, in turn: two processes may differ by more than what is measured.
"""

from __future__ import annotations

import os
import signal
import time
import timeit
from collections.abc import Callable, Iterator

from naruto import WorkerProcess
from naruto.core.messages import encode
from naruto.unix.scoreboard import LOOPS, Scoreboard
from naruto.work.mailbox import Mailbox
from naruto.worker import Post

from ..results import Key

SECONDS = 0.2
PAIRS = 3
"""How often the two take turns for one figure, which is the best of them: what else the
machine does only ever makes a loop slower."""


class Empty(WorkerProcess):
    """Does nothing, at once again."""

    def business(self) -> bool:
        """Return True."""
        return True


class Busy(WorkerProcess):
    """Keeps a processor busy for a while, at once again."""

    work: range

    def business(self) -> bool:
        """Count a little."""
        _count(self.work)
        return True


def _calibrated(seconds: float) -> range:
    """Return what to count through so that one call takes so long here, at its best."""
    length = 1
    while _best(range(length)) < seconds:
        length += max(1, length // 20)
    return range(length)


def _best(work: range) -> float:
    return min(timeit.repeat(lambda: _count(work), number=500, repeat=9)) / 500


def _count(work: range) -> None:
    for _ in work:
        pass


def _bare(business: Callable[[], object]) -> float:
    """Return loops a second of the bare loop, which an alarm ends."""
    flag: list[int] = []
    _after(SECONDS, lambda: flag.append(1))
    loops, began = 0, time.monotonic()
    while not flag:
        business()
        loops += 1
    return loops / (time.monotonic() - began)


def _worker(cls: type[WorkerProcess]) -> float:
    """Return loops a second of a worker, which an alarm tells to leave through its pipe."""
    board = Scoreboard()
    line = board.take()
    inbox, told = os.pipe2(os.O_NONBLOCK)
    heard, outbox = os.pipe2(os.O_NONBLOCK)
    watched, held = os.pipe()
    mailbox = Mailbox("bench-0.1", inbox, outbox, watched)
    post = Post("bench", "bench", 0, 1, 1, "", mailbox, line, held)
    os.write(told, encode("go"))
    _after(SECONDS, lambda: os.write(told, encode("quit")))
    began = time.monotonic()
    cls.create(post).run()
    rate = line.numbers[LOOPS] / (time.monotonic() - began)
    for fd in (inbox, told, heard, outbox, watched, held, mailbox.news):
        os.close(fd)
    board.close()
    return rate


def _after(seconds: float, call: Callable[[], object]) -> None:
    signal.signal(signal.SIGALRM, lambda number, frame: call())
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _classes() -> Iterator[tuple[str, type[WorkerProcess]]]:
    yield "loop of nothing", Empty
    for microseconds in (1, 10):
        work = _calibrated(microseconds * 1e-6)
        yield f"loop of {microseconds} us", type("Busy", (Busy,), {"work": work})


def figures(number: int) -> Iterator[tuple[Key, str, float]]:
    """Yield loops a second of the worker's loop and of the bare one."""
    for measure, cls in _classes():
        business = cls.__new__(cls).business
        pairs = [(_worker(cls), _bare(business)) for _ in range(PAIRS)]
        yield Key(measure), "naruto", max(ours for ours, _ in pairs)
        yield Key(measure), "bare loop", max(bare for _, bare in pairs)
