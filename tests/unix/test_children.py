"""Children are forked without a gap for signals, and reaped, all or only our own."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from naruto.unix import children
from naruto.unix.children import Ended
from tests.unix.forked import in_child


def _die(status: int) -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(status)
    return pid


def _wait_for_all(pids: list[int]) -> None:
    for pid in pids:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize(
    ("status", "words", "failed"),
    [
        (0, "exit status 0", False),
        (3 << 8, "exit status 3", True),
        (signal.SIGKILL, "signal KILL", True),
        (signal.SIGSEGV | 0x80, "signal SEGV", True),
        (signal.SIGRTMIN + 1, "signal 35", True),
    ],
)
def test_an_end_in_words(status: int, words: str, failed: bool) -> None:
    """Status, signal by name, and a signal without one."""
    ended = Ended(1, status)
    assert (ended.how, ended.failed) == (words, failed)


def test_reap_all() -> None:
    """Every child that has ended is reaped, whoever made it; the living stay."""

    def work() -> Any:
        dead = [_die(n) for n in (0, 1, 2)]
        if (alive := os.fork()) == 0:
            while True:
                signal.pause()
        _wait_for_all(dead)
        first = {ended.pid: ended.how for ended in children.reap_all()}
        again = list(children.reap_all())
        os.kill(alive, signal.SIGKILL)
        _wait_for_all([alive])
        last = [(ended.pid == alive, ended.how) for ended in children.reap_all()]
        return [first[pid] for pid in dead], again, last, list(children.reap_all())

    words = ["exit status 0", "exit status 1", "exit status 2"]
    assert in_child(work) == [words, [], [[True, "signal KILL"]], []]


def test_reap_these() -> None:
    """A program's own children are left to the program."""

    def work() -> Any:
        ours, theirs = [_die(1), _die(2)], _die(3)
        _wait_for_all([*ours, theirs])
        reaped = [ended.pid for ended in children.reap_these(ours)]
        return reaped == ours, os.waitpid(theirs, 0)[0] == theirs

    assert in_child(work) == [True, True]


def test_a_lost_status_is_an_end_too() -> None:
    """Somebody else's wait was faster: the child is dead, and nobody waits for it for ever."""

    def work() -> Any:
        lost, other = _die(1), _die(2)
        os.waitpid(lost, 0)
        _wait_for_all([other])
        reaped = list(children.reap_these([lost, other]))
        return [(ended.pid == lost, ended.how, ended.failed) for ended in reaped]

    unknown = [True, "an unknown status, taken by another wait", True]
    assert in_child(work) == [unknown, [False, "exit status 2", True]]


def test_fork_blocks_every_signal_in_the_child() -> None:
    """No handler of the parent's can run in the child; the parent's mask is as it was."""

    def work() -> Any:
        reader, writer = os.pipe()
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR2})
        pid = children.fork()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        if pid == 0:
            every = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
            os.write(writer, b"yes" if blocked >= every else b"no")
            os._exit(0)
        os.waitpid(pid, 0)
        return os.read(reader, 3).decode(), list(blocked)

    assert in_child(work) == ["yes", [signal.SIGUSR2]]
