"""Last words: memory that outlives the worker which wrote into it.

A worker inherits it and writes its traceback there; the master reads it after the
worker's death. It is anonymous (memfd_create(2)), so that nothing is left of it.
"""

from __future__ import annotations

import fcntl
import os

MOST = 16384
"""The bytes that are read back: the end of what was written."""


def make() -> int:
    """Return a descriptor to inherit, closed by exec; whatever writes into it adds to it."""
    fd = os.memfd_create("naruto-last-words", os.MFD_CLOEXEC)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd


def write(fd: int, text: str) -> None:
    """Add to the last words."""
    os.write(fd, text.encode(errors="replace"))


def size(fd: int) -> int:
    """Return how many bytes were written."""
    return os.fstat(fd).st_size


def read(fd: int, since: int = 0) -> str:
    """Return the end of what was written after the first ``since`` bytes."""
    data = os.pread(fd, MOST, max(since, size(fd) - MOST))
    return data.decode(errors="replace").rstrip()


def take_back(fd: int, since: int) -> str:
    """Return what was written after the first ``since`` bytes, and forget it."""
    text = read(fd, since)
    os.ftruncate(fd, since)
    return text
