"""Become the parent of everybody below who loses their own, and see who they are.

prctl(2), PR_SET_CHILD_SUBREAPER: kept over exec, not inherited over fork.
"""

from __future__ import annotations

import ctypes
import os

_PR_SET_CHILD_SUBREAPER = 36


def become() -> None:
    """Adopt, from now on, every descendant whose parent ends.

    Raises:
        OSError: The kernel is older than 3.4.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"subreaper: {os.strerror(number)}")


def children() -> list[int]:
    """Return the pids of this process's children of just now, zombies included."""
    try:
        lists = [
            _read(f"/proc/self/task/{tid}/children") for tid in os.listdir("/proc/self/task")
        ]
    except OSError:
        lists = []
    if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        return [int(pid) for one in lists for pid in one.split()]
    return _by_parent(os.getpid())


def _by_parent(parent: int) -> list[int]:
    """Look at everybody, where the kernel keeps no list (CONFIG_PROC_CHILDREN)."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()
            if len(fields) > 1 and int(fields[1]) == parent:
                found.append(int(name))
    return found


def environ_of(pid: int) -> bytes:
    """Return the environment with which a process was started; nothing if it's gone."""
    return _read(f"/proc/{pid}/environ")


def title_of(pid: int) -> bytes:
    """Return the command line of a process, as ps(1) shows it; nothing if it's gone."""
    return _read(f"/proc/{pid}/cmdline")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # it has just ended, or is not ours to look at
        return b""
