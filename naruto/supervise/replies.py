"""Answers to clients: each waits at a pipe of its own, and may be slow, gone, or a liar.

The master opens such a pipe only by a bare name inside the run directory, only if it is a
FIFO of the same owner, and never blocks on it.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import select
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

import attrs

from ..unix import fifo
from ..unix.rundir import RunDir
from ..unix.spare import Spare
from ..unix.timeouts import milliseconds
from .watch import WRITABLE, Watch

PATIENCE = 5.0
"""Seconds without reading after which an answer is dropped."""

_NAME = re.compile(r"reply-[A-Za-z0-9_-]{1,64}\.pipe")


@attrs.define
class Reply:
    """An answer on its way."""

    rest: bytes
    drop_at: float


@attrs.define
class Replies:
    """All answers that are not read to their end yet.

    Attributes:
        watch: Waits until a reply pipe can be written.
        spare: For answers when there is no descriptor left.
    """

    rundir: RunDir
    watch: Watch
    spare: Spare
    _pending: dict[int, Reply] = attrs.field(factory=dict)

    def handed(self) -> tuple[tuple[int, bytes, float], ...]:
        """Return what the next program has to go on writing."""
        return tuple((fd, reply.rest, reply.drop_at) for fd, reply in self._pending.items())

    def take_over(self, replies: Iterable[tuple[int, bytes, float]]) -> None:
        """Go on writing what this process had begun before an upgrade."""
        for fd, rest, drop_at in replies:
            self._pending[fd] = Reply(rest, drop_at)
            self.watch.add(fd, WRITABLE, partial(self.flush, fd))

    def problem(self, name: object) -> str:
        """Return what is wrong with the name of a reply pipe; nothing if it will do.

        Where there is none any more its client has left, and what it asked for goes on.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return "reply must be a bare name such as reply-1.pipe"
        if not fifo.is_ours(name, self.rundir.fd) and self._exists(name):
            return f"reply: {name} is no FIFO of ours in the run directory"
        return ""

    def _exists(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.rundir.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def send(self, name: str, answer: dict[str, Any]) -> None:
        """Answer a client that may have gone."""
        try:
            fd = self._opened(name)
        except OSError:
            return  # it was exchanged for something else: whoever did that gets nothing
        if fd is None:
            self.rundir.unlink(name)  # nobody reads it: its client was killed
            return
        data = f"{json.dumps(answer)}\n".encode()
        self._pending[fd] = Reply(data, time.monotonic() + PATIENCE)
        self.watch.add(fd, WRITABLE, partial(self.flush, fd))
        self.flush(fd)  # most answers fit into the pipe at once

    def _opened(self, name: str) -> int | None:
        try:
            return fifo.open_for_writing(name, self.rundir.fd)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        self.spare.release()
        return fifo.open_for_writing(name, self.rundir.fd)

    def flush(self, fd: int) -> None:
        """Write as much as the client has room for."""
        reply = self._pending[fd]
        try:
            written = os.write(fd, reply.rest)
        except BlockingIOError:
            return
        except OSError:
            self._drop(fd)  # EPIPE: it has gone
            return
        reply.rest, reply.drop_at = reply.rest[written:], time.monotonic() + PATIENCE
        if not reply.rest:
            self._drop(fd)

    def drop_late(self, now: float) -> None:
        """Give up on clients that don't read."""
        for fd in [fd for fd, reply in self._pending.items() if reply.drop_at <= now]:
            self._drop(fd)

    @property
    def next_alarm(self) -> float:
        """When to look again, on the monotonic clock; infinity where nothing is pending."""
        return min((reply.drop_at for reply in self._pending.values()), default=math.inf)

    @property
    def descriptors(self) -> list[int]:
        """What no worker may keep."""
        return list(self._pending)

    def close(self) -> None:
        """Let everybody read to the end who still reads; then drop the rest."""
        while self._pending:
            poll = select.poll()
            for fd in self._pending:
                poll.register(fd, select.POLLOUT)
            left = self.next_alarm - time.monotonic()
            for fd, _ in poll.poll(milliseconds(left)):
                self.flush(fd)
            self.drop_late(time.monotonic())

    def _drop(self, fd: int) -> None:
        del self._pending[fd]
        self.watch.drop(fd)
        os.close(fd)
        self.spare.refill()
