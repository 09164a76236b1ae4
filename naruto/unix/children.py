"""Forking and reaping, so that nothing happens between a fork and the child's first line."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

import attrs

from . import mask

_ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT


@attrs.frozen
class Ended:
    """A child that was reaped.

    Attributes:
        status: As os.waitpid gives it; None where somebody else has taken it.
        cpu: Seconds of user and system time, those of children that it has reaped included.
        memory: The most memory that it had at a time, in bytes.
    """

    pid: int
    status: int | None
    cpu: float = 0.0
    memory: int = 0

    @property
    def code(self) -> int | None:
        """The exit code; None after a signal, or where nobody knows."""
        ended = self.status is not None and os.WIFEXITED(self.status)
        return os.WEXITSTATUS(self.status or 0) if ended else None

    @property
    def signal(self) -> str:
        """The name, without SIG, of the signal that has ended it; empty where none did."""
        if self.status is None or not os.WIFSIGNALED(self.status):
            return ""
        number = os.WTERMSIG(self.status)
        known = number in set(signal.Signals)
        return signal.Signals(number).name.removeprefix("SIG") if known else str(number)


def fork() -> int:
    """Fork a child that begins quietly; return its pid, and 0 in it.

    Raises:
        OSError: The kernel would not (EAGAIN, ENOMEM: fork(2)).
    """
    end_quiet = _begin_quiet()
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid != 0:
            end_quiet()
    return pid


def fork_each(lives: Iterable[Callable[[], NoReturn]]) -> list[int | Exception]:
    """Fork a child for each of some lives, one right after the other.

    After a fork every page that we write to is copied first; so what can be done before all
    of them, or after all, is not done in between.

    Args:
        lives: What each child does; it ends the process.

    Returns:
        The pid of each, or why there is none.
    """
    born: list[int | Exception] = []
    end_quiet = _begin_quiet()
    try:
        for live in lives:
            try:
                pid = os.fork()
            except Exception as error:  # EAGAIN, ENOMEM: fork(2); or a hook of the program's
                born.append(error)
                continue
            if pid == 0:
                live()
            born.append(pid)
    finally:
        end_quiet()
    return born


def _begin_quiet() -> Callable[[], None]:
    """Let children begin with nothing going on in them; return what ends that in the parent.

    Between the fork and its own signal.signal a child would run the parent's handlers; so it
    begins with everything blocked, and unblocks when it has handlers of its own. And what
    its collector looked at it would write to, and copy: it is hidden (gc.freeze()).
    """
    before = mask.block_all()
    thaws = not gc.get_freeze_count()  # else the program has its own reasons
    gc.freeze()

    def end() -> None:
        if thaws:
            gc.unfreeze()
        mask.restore(before)

    return end


def _nothing(pid: int) -> None:
    """Do nothing about a child that has ended, before it's reaped."""


def reap_all(ended: Callable[[int], None] = _nothing) -> Iterator[Ended]:
    """Reap every child that has ended, whoever it is.

    Args:
        ended: Called with a pid before it's reaped: as long as it's a zombie its process
            group can't be anybody else's (waitid(2), WNOWAIT).
    """
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, _ENDED)
        except ChildProcessError:
            return  # no children at all
        if found is None:
            return
        ended(found.si_pid)
        yield reap(found.si_pid)


def reap_these(pids: Iterable[int], ended: Callable[[int], None] = _nothing) -> Iterator[Ended]:
    """Reap those of our children that have ended; for a program with children of its own."""
    for pid in pids:
        try:
            found = os.waitid(os.P_PID, pid, _ENDED)
        except ChildProcessError:
            yield Ended(pid, None)
            continue
        if found is not None:
            ended(pid)
            yield reap(pid)


def lost(pids: Iterable[int]) -> Iterator[Ended]:
    """Yield those that are no children of ours any more: somebody else has reaped them.

    Each was our child. That it is none now is evidence of its death, and nobody must wait
    for it for ever.
    """
    for pid in pids:
        try:
            os.waitid(os.P_PID, pid, _ENDED)
        except ChildProcessError:
            yield Ended(pid, None)


def stopped(pids: Iterable[int] | None = None) -> Iterator[tuple[int, bool]]:
    """Yield each child that was stopped (True) or continued (False) since last asked.

    Args:
        pids: Of these only, for a program with children of its own; None for all.
    """
    if pids is None:
        while (found := _stop_of(os.P_ALL, 0)) is not None:
            yield found
        return
    for pid in pids:
        if (found := _stop_of(os.P_PID, pid)) is not None:
            yield found


def _stop_of(kind: int, pid: int) -> tuple[int, bool] | None:
    try:
        found = os.waitid(kind, pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
    except ChildProcessError:
        return None  # `lost` tells
    return None if found is None else (found.si_pid, found.si_code != os.CLD_CONTINUED)


def reap(pid: int) -> Ended:
    """Wait for a child that has ended, or is about to, and reap it."""
    try:
        pid, status, usage = os.wait4(pid, 0)
    except ChildProcessError:
        return Ended(pid, None)
    return Ended(pid, status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
