"""Watching descriptors: which ones the master's loop waits for, and what each then calls."""

from __future__ import annotations

import select
from collections.abc import Callable

import attrs

from ..unix.timeouts import LONGEST

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT


@attrs.define
class Watch:
    """An epoll(7), and a function for each descriptor in it.

    The end of the other side (EPOLLHUP, EPOLLERR) calls the function as well.
    """

    _epoll: select.epoll = attrs.field(factory=select.epoll)
    _calls: dict[int, Callable[[], None]] = attrs.field(factory=dict)

    def add(self, fd: int, kind: int, call: Callable[[], None]) -> None:
        """Wait for a descriptor to be READABLE or WRITABLE, too."""
        self._epoll.register(fd, kind)
        self._calls[fd] = call

    def drop(self, fd: int) -> None:
        """Wait for a descriptor no more, before it is closed."""
        if self._calls.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def wait(self, seconds: float | None) -> None:
        """Sleep until something is there, or for some seconds, and call what it calls."""
        for fd, _ in self._epoll.poll(None if seconds is None else min(seconds, LONGEST)):
            call = self._calls.get(fd)
            if call is not None:  # an earlier one of this round may have dropped it
                call()

    def fileno(self) -> int:
        """Return the descriptor of the epoll itself."""
        return self._epoll.fileno()

    def close(self) -> None:
        """Watch nothing any more."""
        self._epoll.close()
