"""Last words: memory that outlives the worker which wrote into it.

A worker inherits it and writes its traceback there; the master reads it after the
worker's death. It is anonymous (memfd_create(2)), so that nothing is left of it.
"""

from __future__ import annotations

import os

MOST = 16384
"""The bytes that are read back: the end of what was written."""


def make() -> int:
    """Return a descriptor to inherit, closed by exec."""
    return os.memfd_create("naruto-last-words", os.MFD_CLOEXEC)


def write(fd: int, text: str) -> None:
    """Add to the last words."""
    os.write(fd, text.encode(errors="replace"))


def read(fd: int) -> str:
    """Return the end of what was written."""
    size = os.fstat(fd).st_size
    data = os.pread(fd, MOST, max(0, size - MOST))
    return data.decode(errors="replace").rstrip()
