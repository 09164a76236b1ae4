"""Signals as something to wait for: blocked, seen by a signalfd, read with their sender.

No handler ever runs in the master's loop. The signals are blocked; a signalfd(2) only
makes the loop wake, and sigtimedwait(2) takes them with who sent them. Threads that a
program has started do not block them, so for those there is a net: an empty handler, and
set_wakeup_fd. Pending signals survive an exec, because blocked ones do.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
from collections.abc import Iterator

import attrs

from .libc import LIBC

REQUESTS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""What asks the master for something."""

_STOPPED_BY_TERMINAL = (signal.SIGTTIN, signal.SIGTTOU)
_SIGSET_BYTES = 128  # sizeof(sigset_t) of glibc and musl
_SI_KERNEL = 0x80


def _users() -> dict[int, str]:
    """Name the likely senders beforehand: looking one up may mean to wait for a network."""
    users = {0: "root"}
    try:
        users[os.getuid()] = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        pass  # a container's user without a name is known by its number
    return users


_USERS = _users()


@attrs.frozen
class Caught:
    """A signal that came.

    Attributes:
        name: Without SIG.
        by: Who sent it, in words.
        by_kernel: No process did: a terminal hung up.
    """

    name: str
    by: str = "an unknown sender"
    by_kernel: bool = False


@attrs.define
class Wakeup:
    """The signals of a master.

    Attributes:
        ignored: What was ignored before, and stays so (nohup, a shell's ``&``).
        polled: The descriptors that become readable when a signal is there.
    """

    signals: frozenset[signal.Signals]
    ignored: frozenset[signal.Signals]
    polled: tuple[int, int]
    _net: int
    _wakeup_fd_before: int
    _before: dict[signal.Signals, object]
    _mask: set[signal.Signals]

    @classmethod
    def install(cls) -> Wakeup:
        """Block the signals; from here on none is lost, and none interrupts."""
        ignored = frozenset(s for s in REQUESTS if signal.getsignal(s) is signal.SIG_IGN)
        signals = frozenset({*REQUESTS, signal.SIGCHLD} - ignored)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signals | {*_STOPPED_BY_TERMINAL})
        before: dict[signal.Signals, object] = {}
        for number in signals:
            before[number] = signal.signal(number, _nothing)
        seen, net = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        other = signal.set_wakeup_fd(net, warn_on_full_buffer=False)
        polled = (_signalfd(signals), seen)
        return cls(
            signals, ignored, polled, net, other, before, {signal.Signals(s) for s in mask}
        )

    def read(self) -> Iterator[Caught]:
        """Yield every signal that is pending, and take it."""
        while (info := signal.sigtimedwait(self.signals, 0)) is not None:
            yield Caught(_name(info.si_signo), _sender(info), info.si_code == _SI_KERNEL)
        try:
            numbers = os.read(self.polled[1], 4096)
        except BlockingIOError:
            return  # nothing fell into the net
        for number in numbers:
            if number in self.signals:
                yield Caught(_name(number))
            elif self._wakeup_fd_before >= 0:
                self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        """Let the program have a signal of its own, which our net has caught."""
        try:
            os.write(self._wakeup_fd_before, bytes([number]))
        except OSError:
            pass  # full: the program has enough to wake it; closed: it wants none

    def uninstall(self) -> None:
        """Put everything back as it was, for a program that goes on."""
        signal.set_wakeup_fd(self._wakeup_fd_before)
        for _ in self.read():
            pass  # a program that goes on has not asked for them
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        self.close()

    def close(self) -> None:
        """Close the descriptors alone."""
        for fd in self.descriptors:
            os.close(fd)

    @property
    def descriptors(self) -> tuple[int, int, int]:
        """All that is open."""
        return (*self.polled, self._net)


def _nothing(number: int, frame: object) -> None:
    """Take a signal that another thread got; set_wakeup_fd has told the loop."""


def _signalfd(signals: frozenset[signal.Signals]) -> int:
    mask = (ctypes.c_ubyte * _SIGSET_BYTES)()
    for number in signals:
        mask[(number - 1) // 8] |= 1 << (number - 1) % 8
    fd: int = LIBC.signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "signalfd")
    return fd


def _name(number: int) -> str:
    return signal.Signals(number).name.removeprefix("SIG")


def _sender(info: signal.struct_siginfo) -> str:
    if info.si_code == _SI_KERNEL:
        return "the kernel"
    return f"pid {info.si_pid} of user {_USERS.get(info.si_uid, info.si_uid)}"
