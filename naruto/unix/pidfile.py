"""The pid file: its lock is what "running" means, its text only says who.

The lock is flock(2)'s: it belongs to the open file, dies with the last process that has it
open, and is kept over an exec. Whoever only looks takes a shared lock for a moment; whoever
wants to hold it tells such a looker from a holder by whether a shared one is to be had.
"""

from __future__ import annotations

import fcntl
import os

NAME = "master.pid"


def take(path: str) -> int | None:
    """Lock the pid file and write our pid into it.

    Returns:
        The descriptor that holds the lock; None where another process holds it.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if not _lock(fd):
            os.close(fd)
            return None
        if is_at(fd, path):
            write(fd)
            return fd
        os.close(fd)  # its holder has just removed it: that lock is of nothing


def write(fd: int) -> None:
    """Write our pid, and a newline, into the locked file."""
    os.fchmod(fd, 0o600)
    line = b"%d\n" % os.getpid()
    os.pwrite(fd, line, 0)  # first, so that a restarted master's never looks empty
    os.ftruncate(fd, len(line))


def holder(path: str) -> int | None:
    """Return the pid of the master that runs, or None where none does."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if _try(fd, fcntl.LOCK_SH):
            return None
        return int(os.pread(fd, 32, 0).partition(b"\n")[0] or b"0") or None
    except ValueError:
        return None  # locked by something that is no master of ours
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    while not _try(fd, fcntl.LOCK_EX):
        if not _try(fd, fcntl.LOCK_SH):
            return False
        fcntl.flock(fd, fcntl.LOCK_UN)  # only somebody looking; at once again
    return True


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(fd: int, path: str) -> bool:
    """Whether the open file is still the one at its path."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(os.fstat(fd), there)
