"""A service under measurement: one adapter's master and its workers, in a home of their own."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from . import records, work
from .adapters.base import Adapter
from .reaper import Reaper
from .results import Key, Results

ROOT = str(Path(__file__).parent.parent)
PATIENCE = 60.0
"""Seconds that anything may take."""


class Failed(Exception):
    """A service did not do what is measured; the text says what it did."""


@attrs.define
class Service:
    """A master that runs, and the workers that have told of their first loop.

    Attributes:
        began: When the master was executed, in nanoseconds of the monotonic clock.
        workers: For each worker that has ever worked a pidfd, by its pid.
    """

    adapter: Adapter
    size: int
    home: str
    began: int
    process: subprocess.Popen[bytes]
    workers: dict[int, int] = attrs.field(factory=dict)
    _begun: int = attrs.field(default=-1)
    _end: int = -1
    _unread: bytes = b""

    @property
    def pid(self) -> int:
        """The master's pid."""
        return self.process.pid

    @property
    def alive(self) -> list[int]:
        """The workers that live, the oldest first."""
        return [pid for pid, fd in self.workers.items() if not _readable([fd], 0)]

    def records(self) -> dict[int, records.Record]:
        """Return the record of every worker that ever was."""
        return records.read(self.home, self.alive)

    def await_begun(self, count: int, seconds: float = PATIENCE) -> dict[int, int]:
        """Wait until so many more workers have begun to loop; return when each did, by pid.

        Raises:
            Failed: The master ended, or it took too long.
        """
        found: dict[int, int] = {}
        deadline = time.monotonic() + seconds
        while len(found) < count:
            ready = _readable([self._begun, self._end], deadline - time.monotonic())
            if self._begun in ready:
                found.update(self._told())
            elif ready:
                raise Failed(f"the master has ended: {self.last_output()}")
            else:
                raise Failed(f"only {len(found)} of {count} work after {seconds:.0f} s")
        return found

    def await_gone(self, pids: Iterable[int], seconds: float = PATIENCE) -> int:
        """Wait until these workers have ended; return when the last one had.

        Raises:
            Failed: It took too long.
        """
        left = {self.workers[pid] for pid in pids}
        deadline = time.monotonic() + seconds
        while left:
            gone = _readable(left, deadline - time.monotonic())
            if not gone:
                raise Failed(f"{len(left)} old workers are still there after {seconds:.0f} s")
            left.difference_update(gone)
        return time.monotonic_ns()

    def await_end(self, seconds: float = PATIENCE) -> int:
        """Wait until the master has ended; return when it had.

        Raises:
            Failed: It took too long.
        """
        if not _readable([self._end], seconds):
            raise Failed(f"the master is still there after {seconds:.0f} s")
        return time.monotonic_ns()

    def last_output(self) -> str:
        """Return the last line that was printed, or logged."""
        lines = Path(self.home, "output").read_text(errors="replace").split("\n")
        return next(
            (line.strip()[:120] for line in reversed(lines) if line.strip()), "silently"
        )

    def _told(self) -> Iterator[tuple[int, int]]:
        *lines, self._unread = (self._unread + os.read(self._begun, 65536)).split(b"\n")
        for line in lines:
            pid, at = map(int, line.split())
            self.workers[pid] = _pidfd(pid)
            yield pid, at


@contextmanager
def running(
    adapter: Adapter, size: int, reaper: Reaper, *, loop: float = 0.01, rest: float = 0.0
) -> Iterator[Service]:
    """Execute a master; at the end, whatever happened, nothing of its service is left.

    Args:
        adapter: Whose master.
        size: How many workers.
        reaper: Kills what is left.
        loop: Seconds that each loop takes.
        rest: Seconds that each worker rests after it.
    """
    home = tempfile.mkdtemp(
        prefix="bench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    )
    service = None
    try:
        os.mkdir(f"{home}/records")
        os.mkfifo(f"{home}/begun")
        service = _executed(adapter, size, home, {work.LOOP: str(loop), work.REST: str(rest)})
        reaper.masters.add(service.pid)
        # For reading and writing: so there is no end of file while nobody writes.
        service._begun = os.open(f"{home}/begun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        service._end = os.pidfd_open(service.pid)
        yield service
    finally:
        if service is not None:
            _end(service, reaper)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def side_by_side(
    measure: str,
    results: Results,
    services: Iterable[tuple[Adapter, int]],
    reaper: Reaper,
    *,
    loop: float,
    rest: float,
) -> Iterator[list[Service]]:
    """Run several services at a time; the results say why one is not among them."""
    with ExitStack() as stack:
        up = []
        for adapter, size in services:
            try:
                one = stack.enter_context(running(adapter, size, reaper, loop=loop, rest=rest))
                one.await_begun(size)
                up.append(one)
            except Failed as failed:
                results.lack(Key(measure, size), adapter.name, str(failed))
        yield up


def _executed(adapter: Adapter, size: int, home: str, load: dict[str, str]) -> Service:
    environ = {
        **os.environ,
        **load,
        work.HOME: home,
        "PYTHONPATH": ROOT,
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', '')}",
        "PWD": home,
    }
    command = adapter.command(size, home, rest=float(load[work.REST]))
    with open(f"{home}/output", "wb") as output:
        began = time.monotonic_ns()
        process = subprocess.Popen(
            command,
            cwd=home,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Service(adapter, size, home, began, process)


def _end(service: Service, reaper: Reaper) -> None:
    service.process.send_signal(signal.SIGKILL)
    service.process.wait()
    reaper.masters.discard(service.pid)
    reaper.sweep()
    for fd in (service._begun, service._end, *service.workers.values()):
        if fd >= 0:
            os.close(fd)


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        # Dead and reaped already: the end of a closed pipe is as readable as its pidfd.
        end, other = os.pipe()
        os.close(other)
        return end


def _readable(fds: Iterable[int], seconds: float) -> set[int]:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(max(0.0, seconds) * 1000)}
