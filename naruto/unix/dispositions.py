"""What signals do to a worker, and that they do nothing special to what it starts.

A handler is used wherever ignoring would do, because an ignored signal is inherited over
exec (signal(7)) and a handled one is not: so every program that ``business()`` starts has
default dispositions and an empty mask. (``_signal``, because what ``signal`` wraps around
it makes enums of all numbers, in every fork: see mask.py.)
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import signal
from collections.abc import Callable, Iterable

from . import mask

_CUTS_NOTHING = (
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)
_OF_TERMINAL = (signal.SIGTTIN, signal.SIGTTOU)


def become_worker(on_term: Callable[[], None], ignored: frozenset[signal.Signals]) -> None:
    """Install a worker's dispositions, and unblock everything.

    Args:
        on_term: What TERM does.
        ignored: Signals that were ignored when the master started, and stay so (nohup).
    """
    signal.set_wakeup_fd(-1)
    _signal.signal(signal.SIGCHLD, _signal.SIG_DFL)
    for number in _CUTS_NOTHING:
        if number not in ignored:
            _signal.signal(number, _nothing)
    for number in _OF_TERMINAL:
        _signal.signal(number, _ignore_from_now_on)
    if signal.SIGTERM not in ignored:
        _signal.signal(signal.SIGTERM, lambda number, frame: on_term())
    _keep_forks_clean()
    mask.restore(())


def _keep_forks_clean() -> None:
    """Let what is forked begin with defaults, and lose no signal on the way there.

    One that came between the fork and the change of its disposition would be dropped by
    CPython; blocked until then, it meets the default.
    """
    masks: list[set[int]] = []

    def block() -> None:
        masks.append(mask.block_all())

    def unblock() -> None:
        mask.restore(masks.pop())

    def clean() -> None:
        restore_defaults(masks.pop())

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=clean)


def restore_defaults(blocked: Iterable[int] = ()) -> None:
    """Give a forked process the dispositions of a program just started, then a mask.

    Args:
        blocked: The signals that are to be blocked.
    """
    for number in (*_CUTS_NOTHING, *_OF_TERMINAL, signal.SIGTERM, signal.SIGCHLD):
        if callable(signal.getsignal(number)):
            _signal.signal(number, _signal.SIG_DFL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_IGN)  # as Python itself does for its programs
    mask.restore(blocked)


def _nothing(number: int, frame: object) -> None:
    """Cut nothing: who wants this worker to leave says so in its pipe, or to the master."""


def _ignore_from_now_on(number: int, frame: object) -> None:
    """Ignore the terminal's wish to stop us, from its first time on.

    Handled for ever, a write to a terminal set to ``tostop`` would be tried and signalled
    again without end; ignored from the beginning, every program we start would inherit it.
    """
    _signal.signal(number, _signal.SIG_IGN)
