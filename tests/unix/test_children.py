"""Children are forked without a gap for signals, and reaped, all or only our own."""

from __future__ import annotations

import errno
import gc
import os
import resource
import signal
from functools import partial
from typing import Any, NoReturn

import pytest

from naruto.unix import children
from naruto.unix.children import Ended
from tests.unix.forked import ROOT, in_child

NOBODY = 65534


def _die(status: int) -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(status)
    return pid


def _wait_for_all(pids: list[int]) -> None:
    for pid in pids:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        (0, 0, ""),
        (3 << 8, 3, ""),
        (signal.SIGKILL, None, "KILL"),
        (signal.SIGSEGV | 0x80, None, "SEGV"),
        (signal.SIGRTMIN + 1, None, "35"),
        (None, None, ""),
    ],
)
def test_code_and_signal(status: int | None, code: int | None, name: str) -> None:
    """A status becomes an exit code, or a signal by name, or neither."""
    ended = Ended(1, status)
    assert (ended.code, ended.signal) == (code, name)


def test_reap_all() -> None:
    """Every child that has ended is reaped, whoever made it; the living stay."""

    def work() -> Any:
        dead = [_die(n) for n in (0, 1, 2)]
        if (alive := os.fork()) == 0:
            while True:
                signal.pause()
        _wait_for_all(dead)
        first = {ended.pid: ended.code for ended in children.reap_all()}
        again = list(children.reap_all())
        os.kill(alive, signal.SIGKILL)
        _wait_for_all([alive])
        last = [(ended.pid == alive, ended.signal) for ended in children.reap_all()]
        return [first[pid] for pid in dead], again, last, list(children.reap_all())

    assert in_child(work) == [[0, 1, 2], [], [[True, "KILL"]], []]


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
        reaped += children.lost([lost])
        return [(ended.pid == lost, ended.status, ended.code) for ended in reaped]

    unknown = [True, None, None]
    assert in_child(work) == [unknown, [False, 2 << 8, 2], unknown]


def test_what_a_child_has_used() -> None:
    """Processor time and the most memory come with the status."""

    def work() -> Any:
        pid = os.fork()
        if pid == 0:
            held = bytearray(64 << 20)
            while sum(os.times()[:2]) < 0.1:
                held[0] += 0
            os._exit(0)
        _wait_for_all([pid])
        (ended,) = children.reap_all()
        return ended.cpu >= 0.1, ended.memory >= 64 << 20

    assert in_child(work) == [True, True]


def test_a_zombie_is_seen_before_it_is_reaped() -> None:
    """Whoever is told of an end may still signal the process group, which is nobody else's."""

    def work() -> Any:
        pid = _die(0)
        _wait_for_all([pid])
        seen = []
        for _ in children.reap_all(lambda dead: seen.append((dead, os.getpgid(dead)))):
            pass
        return seen == [(pid, os.getpgid(0))]

    assert in_child(work) is True


def test_stopped_is_not_dead() -> None:
    """A stop and a continuation are told once each, and are no ends."""

    def work() -> Any:
        if (pid := os.fork()) == 0:
            while True:
                signal.pause()
        told = []
        for number, flag in ((signal.SIGSTOP, os.WSTOPPED), (signal.SIGCONT, os.WCONTINUED)):
            os.kill(pid, number)
            os.waitid(os.P_PID, pid, flag | os.WNOWAIT)
            told += [state for who, state in children.stopped([pid]) if who == pid]
            told += list(children.stopped([pid]))
        ended = [*children.reap_all(), *children.lost([pid])]
        os.kill(pid, signal.SIGKILL)
        return told, ended, children.reap(pid).signal

    assert in_child(work) == [[True, False], [], "KILL"]


def test_several_are_forked_at_once() -> None:
    """Each lives with everything blocked, and hidden from its collector; we as before."""

    def work() -> Any:
        reader, writer = os.pipe()

        def life(letter: bytes) -> NoReturn:
            every = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
            quiet = signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= every
            os.write(writer, letter if quiet and gc.get_freeze_count() else b"-")
            os._exit(0)

        pids = children.fork_each([partial(life, b"a"), partial(life, b"b")])
        for pid in pids:
            os.waitpid(pid, 0)
        said = "".join(sorted(os.read(reader, 3).decode()))
        return said, gc.get_freeze_count(), list(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    assert in_child(work) == ["ab", 0, []]


def test_why_there_is_no_child() -> None:
    """What can't be forked has its error in its place, and costs the others nothing."""

    def work() -> Any:
        if ROOT:  # which no limit of processes holds back
            os.setuid(NOBODY)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        errors = children.fork_each([lambda: os._exit(0)] * 2)
        return [getattr(error, "errno", 0) for error in errors]

    assert in_child(work) == [errno.EAGAIN] * 2


def test_a_program_that_has_frozen_its_heap_keeps_it() -> None:
    """Only what was frozen for the fork is thawed."""

    def work() -> Any:
        gc.freeze()
        before = gc.get_freeze_count()
        if (pid := children.fork()) == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        return gc.get_freeze_count() >= before

    assert in_child(work) is True


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
