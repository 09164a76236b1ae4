"""Named pipes: made private, opened so that they never block, written whole or not at all.

fifo(7) and pipe(7) have the rules: ``O_RDWR`` never sees an end of file, ``O_WRONLY`` with
``O_NONBLOCK`` says ENXIO where nobody reads, a write of at most PIPE_BUF bytes is atomic.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque

import attrs

CHUNK = 65536
"""Bytes to read at once: all that a pipe of the usual size holds."""


def make(path: str) -> None:
    """Make a FIFO that only its owner may use, whatever the umask.

    Raises:
        OSError: It can't be made, or something is there already.
    """
    os.mkfifo(path, 0o600)
    os.chmod(path, 0o600)


def open_both(path: str) -> int:
    """Open a FIFO so that it has a reader and a writer for as long as this is open."""
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)


def open_for_writing(
    path: str, dir_fd: int | None = None, owner: int | None = None
) -> int | None:
    """Open a FIFO that somebody reads.

    Args:
        path: Where it is.
        dir_fd: The open directory that a relative path counts from.
        owner: The uid that it must belong to; None for the effective user.

    Returns:
        The descriptor, or None where nobody reads, or no FIFO of the owner's is there.
    """
    try:
        status = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
        wanted = os.geteuid() if owner is None else owner
        if not stat.S_ISFIFO(status.st_mode) or status.st_uid != wanted:
            return None
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path, flags, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return None
        raise


def read(fd: int) -> bytes:
    """Read what is there; nothing where there is nothing."""
    try:
        return os.read(fd, CHUNK)
    except BlockingIOError:
        return b""


def is_ours(path: str, dir_fd: int | None = None) -> bool:
    """Whether a FIFO of the effective user is there, itself and not behind a link."""
    try:
        status = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISFIFO(status.st_mode) and status.st_uid == os.geteuid()


@attrs.define
class Outbox:
    """Messages on their way into a pipe that may be full: none is lost, none blocks.

    Attributes:
        fd: The pipe, opened without blocking.
    """

    fd: int
    _waiting: deque[bytes] = attrs.field(factory=deque)

    @property
    def waiting(self) -> tuple[bytes, ...]:
        """What waits for the pipe to drain."""
        return tuple(self._waiting)

    @property
    def blocked(self) -> bool:
        """Whether something waits for the pipe to drain."""
        return bool(self._waiting)

    def send(self, message: bytes) -> None:
        """Put a message of at most PIPE_BUF bytes behind those that wait, and flush."""
        self._waiting.append(message)
        self.flush()

    def flush(self) -> None:
        """Write as many messages as the pipe takes."""
        while self._waiting:
            try:
                os.write(self.fd, self._waiting[0])
            except BlockingIOError:
                return
            self._waiting.popleft()
