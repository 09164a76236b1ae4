"""Signals wake the loop, are read with their sender, and interrupt nothing."""

from __future__ import annotations

import fcntl
import os
import pwd
import select
import signal
import termios
import threading
from collections.abc import Callable
from typing import Any

import pytest

from naruto.unix.wakeup import REQUESTS, Wakeup
from tests.unix.forked import ROOT, in_child


def _caught(wakeup: Wakeup, wait: bool = True) -> list[tuple[str, str, bool]]:
    """Wait until a descriptor says that signals are there, and read them."""
    poll = select.poll()
    for fd in wakeup.polled:
        poll.register(fd, select.POLLIN)
    ready = poll.poll(10_000 if wait else 0)
    assert bool(ready) is wait
    return sorted((one.name, one.by, one.by_kernel) for one in wakeup.read())


def _after_install(work: Callable[[Wakeup], Any]) -> Any:
    return in_child(lambda: work(Wakeup.install()))


def _me(pid: int) -> str:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())  # in a container whose passwd does not know us
    return f"pid {pid} of user {user}"


@pytest.mark.parametrize("number", REQUESTS, ids=lambda s: s.name)
def test_read_with_its_sender(number: signal.Signals) -> None:
    """Each request is pending until it is read, and says who sent it."""

    def work(wakeup: Wakeup) -> Any:
        os.kill(os.getpid(), number)
        return os.getpid(), _caught(wakeup), _caught(wakeup, wait=False)

    pid, first, second = _after_install(work)
    assert first == [[number.name.removeprefix("SIG"), _me(pid), False]]
    assert second == []


def test_equal_ones_merge_and_others_do_not() -> None:
    """A hundred signals of one kind are one; a different one beside them is not lost."""

    def work(wakeup: Wakeup) -> Any:
        for _ in range(100):
            os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        return [name for name, _, _ in _caught(wakeup)]

    assert _after_install(work) == ["TERM", "USR1"]


def test_a_childs_end_wakes() -> None:
    """CHLD is waited for like the others."""

    def work(wakeup: Wakeup) -> Any:
        if os.fork() == 0:
            os._exit(0)
        return [name for name, _, _ in _caught(wakeup)]

    assert _after_install(work) == ["CHLD"]


def test_what_came_before_install_and_was_blocked_is_not_lost() -> None:
    """A restarted image finds what came during its exec, sender included."""

    def work() -> Any:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)
        return os.getpid(), _caught(Wakeup.install())

    pid, caught = in_child(work)
    assert caught == [["TERM", _me(pid), False]]


def test_a_foreign_threads_signal_falls_into_the_net() -> None:
    """A thread that blocks nothing gets the TERM: the process lives, and the loop learns."""

    def work() -> Any:
        over = threading.Event()
        thread = threading.Thread(target=over.wait)
        thread.start()  # before the install: its mask is empty
        wakeup = Wakeup.install()
        assert thread.ident is not None
        signal.pthread_kill(thread.ident, signal.SIGTERM)
        caught = _caught(wakeup)
        over.set()
        thread.join()
        return caught

    assert in_child(work) == [["TERM", "an unknown sender", False]]


def test_ignored_stays_ignored() -> None:
    """What nohup or a shell's & has made the master ignore is neither read nor handled."""

    def work() -> Any:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        wakeup = Wakeup.install()
        os.kill(os.getpid(), signal.SIGHUP)
        caught = _caught(wakeup, wait=False)
        still = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        return caught, still, [s.name for s in wakeup.ignored]

    assert in_child(work) == [[], True, ["SIGHUP"]]


@pytest.mark.parametrize("number", [signal.SIGTTIN, signal.SIGTTOU])
def test_the_terminal_does_not_stop_a_master(number: signal.Signals) -> None:
    """TTIN and TTOU would stop a background master; blocked, they wait for ever."""

    def work(wakeup: Wakeup) -> Any:
        os.kill(os.getpid(), number)
        return _caught(wakeup, wait=False)

    assert _after_install(work) == []


def test_hangup_of_a_terminal_comes_from_the_kernel() -> None:
    """A terminal that goes away is told from somebody's ``kill -HUP``."""

    def work() -> Any:
        os.setsid()
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        wakeup = Wakeup.install()
        os.close(slave)
        os.close(master)
        return _caught(wakeup)

    assert ["HUP", "the kernel", True] in in_child(work)


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_a_sender_without_a_name() -> None:
    """A user id that no passwd knows is shown as the number."""

    def work(wakeup: Wakeup) -> Any:
        target, pid = os.getpid(), os.fork()
        if pid == 0:
            os.setresuid(54321, 0, 0)  # the real one is what siginfo tells
            os.kill(target, signal.SIGUSR1)
            os._exit(0)
        os.waitpid(pid, 0)
        return pid, _caught(wakeup)

    pid, caught = _after_install(work)
    assert ["USR1", f"pid {pid} of user 54321", False] in caught


class TestUninstall:
    """A program that goes on finds everything as it was."""

    def test_handlers_and_mask(self) -> None:
        """Handlers and mask are the program's again, and what was pending is gone."""

        def work() -> Any:
            def own(number: int, frame: object) -> None:
                raise AssertionError("a signal of naruto's time came afterwards")

            signal.signal(signal.SIGUSR1, own)
            signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR2})
            before = {
                number: signal.getsignal(number) for number in (*REQUESTS, signal.SIGCHLD)
            }
            wakeup = Wakeup.install()
            os.kill(os.getpid(), signal.SIGUSR1)
            wakeup.uninstall()
            after = {number: signal.getsignal(number) for number in before}
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            return before == after, list(mask)

        assert in_child(work) == [True, [signal.SIGUSR2]]

    def test_descriptors(self) -> None:
        """Nothing stays open, and nothing was ever inheritable."""

        def work() -> Any:
            before = os.listdir("/proc/self/fd")
            wakeup = Wakeup.install()
            inherited = [fd for fd in wakeup.descriptors if os.get_inheritable(fd)]
            wakeup.uninstall()
            return inherited, before == os.listdir("/proc/self/fd")

        assert in_child(work) == [[], True]

    def test_the_programs_own_wakeup_fd(self) -> None:
        """A program that had a wakeup descriptor of its own has it again."""

        def work() -> Any:
            _, own = os.pipe2(os.O_NONBLOCK)
            signal.set_wakeup_fd(own)
            Wakeup.install().uninstall()
            return own, signal.set_wakeup_fd(-1)

        own, after = in_child(work)
        assert after == own
