"""The common workload: the loop that every worker runs, whoever looks after it.

A worker keeps its own record in a file that others can map, and tells of its first loop by
one line in a FIFO. So nobody asks it anything while it is measured. It imports little,
because every worker pays for that.
"""

from __future__ import annotations

import mmap
import os
import signal
import time

HOME, LOOP, REST = "BENCH_HOME", "BENCH_LOOP", "BENCH_REST"
"""Variables: where to record; seconds that a loop takes; seconds to rest after each."""

READY, FIRST, BEGAN, ENDED, BEGUN, DONE = range(6)
"""A record: when it was ready, when its first loop, its newest loop began, when its last one
ended (nanoseconds of the monotonic clock), and how many loops it has begun and done."""

RECORD_BYTES = 6 * 8


class Work:
    """The work of one worker."""

    def __init__(self) -> None:
        """Open a record of its own, in the process that is to work."""
        self.home = os.environ[HOME]
        self.loop_seconds = float(os.environ[LOOP])
        self.rest_seconds = float(os.environ[REST])
        path = f"{self.home}/records/{os.getpid()}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.ftruncate(fd, RECORD_BYTES)
        self._numbers = memoryview(mmap.mmap(fd, RECORD_BYTES)).cast("q")
        os.close(fd)
        self._numbers[READY] = time.monotonic_ns()

    def loop(self) -> None:
        """Do one loop, which is to be cut by nobody."""
        numbers = self._numbers
        now = numbers[BEGAN] = time.monotonic_ns()
        numbers[BEGUN] += 1
        if numbers[BEGUN] == 1:
            numbers[FIRST] = now
            self._announce(now)
        time.sleep(self.loop_seconds)
        numbers[ENDED] = time.monotonic_ns()
        numbers[DONE] += 1

    def until_told(self) -> None:
        """Loop until TERM: blocked, it cuts no loop; waited for, it ends a rest at once."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self.loop()
        while signal.sigtimedwait({signal.SIGTERM}, self.rest_seconds) is None:
            self.loop()

    def _announce(self, now: int) -> None:
        fd = os.open(f"{self.home}/begun", os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"%d %d\n" % (os.getpid(), now))
        os.close(fd)
