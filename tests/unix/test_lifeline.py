"""The lifeline ends with the master, however it dies, and with nobody else."""

from __future__ import annotations

import os
import select

from naruto.unix.lifeline import Lifeline
from tests.unix.forked import end, living


def _ended(fd: int, milliseconds: int = 0) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(milliseconds))


def test_end_of_file_when_the_holder_is_killed() -> None:
    """SIGKILL of the only holder wakes the watcher: no bookkeeping of anybody's is needed."""
    lifeline = Lifeline.make()
    with living(lambda: os.close(lifeline.watched)) as holder:
        os.close(lifeline.held)
        assert not _ended(lifeline.watched)
        end(holder)
        assert _ended(lifeline.watched, 10_000)
        assert os.read(lifeline.watched, 1) == b""
    os.close(lifeline.watched)


def test_a_watcher_keeps_nobody_alive() -> None:
    """Children that have dropped the master's end hold up nothing."""
    lifeline = Lifeline.make()
    with living(lambda: os.close(lifeline.held)):
        assert not _ended(lifeline.watched)
        os.close(lifeline.held)
        assert _ended(lifeline.watched, 10_000)
    os.close(lifeline.watched)


def test_a_child_that_kept_the_end_would_hold_it() -> None:
    """After a plain fork CLOEXEC closes nothing: why a worker lets go of it first."""
    lifeline = Lifeline.make()
    with living(lambda: None) as child:
        os.close(lifeline.held)
        assert not _ended(lifeline.watched)
        end(child)
        assert _ended(lifeline.watched, 10_000)
    os.close(lifeline.watched)


def test_no_program_inherits_it() -> None:
    """Both ends are closed by exec, and close() closes both."""
    lifeline = Lifeline.make()
    ends = lifeline.held, lifeline.watched
    assert not any(os.get_inheritable(fd) for fd in ends)
    lifeline.close()
    assert not any(os.path.exists(f"/proc/self/fd/{fd}") for fd in ends)
