"""Signals cut nothing in a worker, and do nothing special in what it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from naruto.unix import dispositions
from tests.unix.forked import in_child

SHOW = "print(open('/proc/self/status').read())"
CUTS_NOTHING = ["INT", "HUP", "QUIT", "USR1", "USR2", "PIPE", "XFSZ", "TTIN", "TTOU"]


def _become(*ignored: signal.Signals) -> list[str]:
    told: list[str] = []
    dispositions.become_worker(lambda: told.append("TERM"), frozenset(ignored))
    return told


@pytest.mark.parametrize("name", CUTS_NOTHING)
def test_cuts_nothing(name: str) -> None:
    """A terminal's Ctrl-C and everything else that is meant for the master is survived."""

    def work() -> Any:
        told = _become()
        for _ in range(3):
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])
        return told

    assert in_child(work) == []


def test_term_is_told() -> None:
    """TERM calls what it was given, each time."""

    def work() -> Any:
        told = _become()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        return told

    assert in_child(work) == ["TERM", "TERM"]


def test_nothing_of_the_masters_is_left() -> None:
    """The mask is empty, its wakeup descriptor is off, and CHLD is the user's."""

    def work() -> Any:
        _, net = os.pipe2(os.O_NONBLOCK)
        signal.set_wakeup_fd(net)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        _become()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        chld = signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        return list(mask), signal.set_wakeup_fd(-1), chld

    assert in_child(work) == [[], -1, True]


def test_ignored_stays_ignored() -> None:
    """What was ignored when the master started stays so, TERM included."""

    def work() -> Any:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        told = _become(signal.SIGHUP, signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        still = [signal.getsignal(n) is signal.SIG_IGN for n in (signal.SIGHUP, signal.SIGTERM)]
        return told, still

    assert in_child(work) == [[], [True, True]]


def _status(text: str) -> dict[str, str]:
    lines = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key: value.strip() for key, value in lines}


@pytest.mark.parametrize("shell", [False, True])
def test_a_program_that_is_started_is_clean(shell: bool) -> None:
    """It ignores, blocks and catches what one started from a shell does: nothing of ours."""
    command: Any = [sys.executable, "-S", "-c", SHOW]
    if shell:
        command = f"exec cat /proc/self/status; {sys.executable}"

    def run(**more: Any) -> str:
        return subprocess.run(
            command, shell=shell, capture_output=True, text=True, **more
        ).stdout

    def work() -> Any:
        _become()
        os.kill(os.getpid(), signal.SIGUSR1)
        return run(restore_signals=False)

    def plainly() -> Any:
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        return run(restore_signals=False)

    ours, plain = _status(in_child(work)), _status(in_child(plainly))
    for key in ("SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"):
        assert ours[key] == plain[key], key


def test_a_forked_process_is_clean() -> None:
    """What business() forks is ended by TERM and INT, like any program."""

    def work() -> Any:
        _become()
        ends = []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            if (pid := os.fork()) == 0:
                os.kill(os.getpid(), number)
                os._exit(0)
            ends.append(os.WTERMSIG(os.waitpid(pid, 0)[1]) == number)
        return ends

    assert in_child(work) == [True] * 4


def test_a_forked_process_keeps_what_the_user_ignores() -> None:
    """A disposition that is the user's own is not touched."""

    def work() -> Any:
        _become()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if (pid := os.fork()) == 0:
            os._exit(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert in_child(work) == 1
