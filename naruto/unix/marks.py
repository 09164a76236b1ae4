"""Marks: whose descendant a process is, told by what it has inherited.

What a worker starts inherits a variable over exec; what it only forks inherits a mapping,
which /proc/PID/maps shows. Both hold however far below, and whoever its parent is by then.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
from collections.abc import Iterator

from . import subreaper
from .libc import LIBC, MAP_FAILED

MARK = "_NARUTO_WORKER"
"""The variable; it holds the path of the worker's pipe."""

_MAPPED = b"/memfd:naruto:"
_worn: list[int] = []
"""Where our own mapping is; or that of the worker which has forked us."""


def wear(pipe: str) -> None:
    """Let everything that this process starts be known as the descendant of a worker.

    A page that nobody may touch is mapped from an empty memfd with the path as its name
    (memfd_create(2)): it takes no memory, and no descriptor stays open.

    Args:
        pipe: The path of the worker's pipe.
    """
    os.environ[MARK] = pipe
    while _worn:  # a service within a worker of another one: the nearest counts
        LIBC.munmap(ctypes.c_void_p(_worn.pop()), ctypes.c_size_t(mmap.PAGESIZE))
    try:
        fd = os.memfd_create(f"naruto:{pipe}", os.MFD_CLOEXEC)
    except OSError:  # a path of over 240 bytes: the variable must do
        return
    nobody, anywhere, start = 0, None, 0
    at = LIBC.mmap(anywhere, mmap.PAGESIZE, nobody, mmap.MAP_SHARED, fd, start)
    os.close(fd)
    if at != MAP_FAILED:
        _worn.append(at)


def mark_of(pid: int) -> str:
    """Return the path of the pipe of the worker whose descendant this is; "" if of none.

    What was mapped since the last exec is nearer than what was inherited over it.
    """
    for line in subreaper.maps_of(pid).splitlines():
        _, found, name = line.partition(_MAPPED)
        if found:
            return name.removesuffix(b" (deleted)").decode(errors="replace")
    for line in subreaper.environ_of(pid).split(b"\0"):
        name, _, value = line.partition(b"=")
        if name == MARK.encode():
            return value.decode(errors="replace")
    return ""


def everybody_else() -> Iterator[int]:
    """Yield the pids of all processes but this one."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (pid := int(name)) != os.getpid():
            yield pid


def send(pid: int, number: signal.Signals) -> None:
    """Signal somebody who may be gone by now."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # ended, though not reaped; or it has another user's rights by now
