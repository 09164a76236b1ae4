"""Learn of the end of a process that is no child: pidfd_open(2)."""

from __future__ import annotations

import os


def watch(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends; None if it has."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def watch_parent() -> int:
    """Return a descriptor that becomes readable when our parent ends.

    Our parent is looked up once more after it was opened: had it ended in between, the
    descriptor would be of whoever has its number now.
    """
    while True:
        parent = os.getppid()
        fd = watch(parent)
        if fd is not None and os.getppid() == parent:
            return fd
        if fd is not None:
            os.close(fd)
