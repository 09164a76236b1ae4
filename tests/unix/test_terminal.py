"""A controlling terminal is there, or was never there, or has gone."""

from __future__ import annotations

import fcntl
import os
import signal
import termios
from typing import Any

from naruto.unix import terminal
from tests.unix.forked import in_child


def test_none() -> None:
    """A session without a terminal has none, though descriptors lead to one."""

    def work() -> Any:
        os.setsid()
        os.openpty()
        return terminal.has_terminal()

    assert in_child(work) is False


def test_there_and_gone() -> None:
    """A controlling terminal is there until its other side hangs up."""

    def work() -> Any:
        os.setsid()
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        there = terminal.has_terminal()
        if (pid := os.fork()) == 0:  # a hangup is the session leader's end, or HUP to it
            os._exit(not terminal.has_terminal())
        same = os.waitpid(pid, 0)[1] == 0
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.close(master)
        return there, same, terminal.has_terminal()

    assert in_child(work) == [True, True, False]
