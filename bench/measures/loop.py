"""The rate of a worker's loop, in loops a second, against a bare ``while not flag`` loop.

The worker is a real one, with its pipes and its line on a scoreboard, where it counts. Both
run in one process, in turn, and that in several processes: where the interpreter's stack
and heap come to lie, another place in each process, is worth up to a fifth to either loop.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from statistics import fmean

from naruto import WorkerProcess
from naruto.core.messages import encode
from naruto.unix.scoreboard import LOOPS, Scoreboard
from naruto.work.mailbox import Mailbox
from naruto.worker import Post

from ..results import Key
from ..service import ROOT

SECONDS = 0.05
PROCESSES, PAIRS = 7, 3
"""In how many processes, and how often in each, the two take turns for one figure. It is
that of the process in the middle, by the ratio of the two."""

MICROSECONDS = 1, 10


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


def figures(number: int) -> Iterator[tuple[Key, str, float]]:
    """Yield loops a second of the worker's loop and of the bare one."""
    names = ["loop of nothing"] + [f"loop of {length} us" for length in MICROSECONDS]
    works = [len(_calibrated(length * 1e-6)) for length in MICROSECONDS]
    tried = [_in_a_process(works) for _ in range(PROCESSES)]
    for name, rates in zip(names, zip(*tried, strict=True), strict=True):
        ours, bare = sorted(rates, key=lambda pair: pair[0] / pair[1])[PROCESSES // 2]
        yield Key(name), "naruto", ours
        yield Key(name), "bare loop", bare


def _in_a_process(works: list[int]) -> list[tuple[float, float]]:
    """Return the rates of both loops, of nothing and of each work, in a new process."""
    command = [sys.executable, "-m", "bench.measures.loop", *map(str, works)]
    said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return [(ours, bare) for ours, bare in json.loads(said)]


def _rates(cls: type[WorkerProcess]) -> tuple[float, float]:
    business = cls.__new__(cls).business
    _worker(cls), _bare(business)  # unmeasured: the first of a process are slower
    pairs = [(_worker(cls), _bare(business)) for _ in range(PAIRS)]
    return fmean(ours for ours, _ in pairs), fmean(bare for _, bare in pairs)


def _main(works: list[str]) -> None:
    busy = [type("Busy", (Busy,), {"work": range(int(length))}) for length in works]
    print(json.dumps([_rates(cls) for cls in (Empty, *busy)]))


if __name__ == "__main__":
    _main(sys.argv[1:])
