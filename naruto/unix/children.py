"""Forking and reaping, so that nothing happens between a fork and the child's first line."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator

import attrs


@attrs.frozen
class Ended:
    """A child that was reaped.

    Attributes:
        status: As os.waitpid gives it; None where somebody else has taken it.
    """

    pid: int
    status: int | None

    @property
    def how(self) -> str:
        """The end in words."""
        if self.status is None:
            return "an unknown status, taken by another wait"
        code = os.waitstatus_to_exitcode(self.status)
        if code >= 0:
            return f"exit status {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"SIG{-code}"
        return f"signal {name.removeprefix('SIG')}"

    @property
    def failed(self) -> bool:
        """Whether it ended with anything but status 0."""
        return self.status != 0


def fork() -> int:
    """Fork with every signal blocked.

    Between the fork and its own signal.signal the child would run the parent's handlers;
    so it begins with everything blocked, and unblocks when it has handlers of its own.

    Raises:
        OSError: The kernel would not (EAGAIN, ENOMEM: fork(2)).
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid != 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def reap_all() -> Iterator[Ended]:
    """Reap every child that has ended, whoever it is."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return  # no children at all
        if pid == 0:
            return
        yield Ended(pid, status)


def reap_these(pids: Iterable[int]) -> Iterator[Ended]:
    """Reap those of our children that have ended; for a program with children of its own."""
    for wanted in pids:
        try:
            pid, status = os.waitpid(wanted, os.WNOHANG)
        except ChildProcessError:
            # Somebody else's wait was faster. It was our child and is none any more: that
            # is evidence of its death, and nobody must wait for it for ever.
            yield Ended(wanted, None)
            continue
        if pid:
            yield Ended(pid, status)


def reap(pid: int) -> Ended:
    """Wait for a child that is about to end, because it was killed."""
    return Ended(*os.waitpid(pid, 0))
