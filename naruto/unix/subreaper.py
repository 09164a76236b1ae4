"""Become the parent of whatever one's descendants leave behind, and see who that is.

A process whose parent has ended becomes the child of the nearest subreaper above, also one
that has left its session with setsid(2) (prctl(2), PR_SET_CHILD_SUBREAPER).
"""

from __future__ import annotations

import ctypes
import os

from .libc import LIBC

_PR_SET_CHILD_SUBREAPER = 36


def become() -> None:
    """Become a subreaper: kept over exec, not inherited over fork.

    Raises:
        OSError: The kernel would not.
    """
    yes, nothing = ctypes.c_ulong(1), ctypes.c_ulong(0)
    if LIBC.prctl(_PR_SET_CHILD_SUBREAPER, yes, nothing, nothing, nothing) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"subreaper: {os.strerror(number)}")


def children(proc: str = "/proc") -> list[int]:
    """Return the pids of this process's own children, zombies included, in ascending order.

    A look and no proof: children that end meanwhile may hide others (proc(5)), and new ones
    may come. That there are none at all is known by waitid(2) alone (ECHILD).
    """
    try:
        return sorted(_listed(f"{proc}/self/task"))
    except OSError:
        return sorted(_searched(proc))  # a kernel without CONFIG_PROC_CHILDREN


def _listed(tasks: str) -> set[int]:
    """Read what the kernel lists: for each thread those it has forked or was given."""
    found: set[int] = set()
    for task in os.listdir(tasks):
        path = f"{tasks}/{task}/children"
        try:
            found |= {int(pid) for pid in _read(path).split()}
        except FileNotFoundError:
            if os.path.exists(f"{tasks}/{task}"):
                raise  # no such file in any thread
            # The thread has ended, and another one has its children.
    return found


def _searched(proc: str) -> set[int]:
    """Ask every process for its parent."""
    us = os.getpid()
    return {
        int(name) for name in os.listdir(proc) if name.isdigit() and _parent(proc, name) == us
    }


def _parent(proc: str, pid: str) -> int | None:
    try:
        stat = _read(f"{proc}/{pid}/stat")
    except OSError:
        return None  # it has just ended
    # The name of a program may have brackets and spaces in it; nothing after it has.
    return int(stat.rpartition(b")")[2].split()[1])


def environ_of(pid: int) -> bytes:
    """Return the environment that a program began with, as NUL-ended NAME=value.

    Empty where there's none to read: it is gone, a zombie, or not ours to look into.
    """
    return _read_or_nothing(f"/proc/{pid}/environ")


def maps_of(pid: int) -> bytes:
    """Return what a process has mapped, a line each. Empty as environ_of."""
    return _read_or_nothing(f"/proc/{pid}/maps")


def title_of(pid: int) -> bytes:
    """Return the command line of a process, NUL-ended, or the title that it has set.

    Empty as environ_of, and for a thread of the kernel.
    """
    return _read_or_nothing(f"/proc/{pid}/cmdline")


def _read_or_nothing(path: str) -> bytes:
    try:
        return _read(path)
    except OSError:  # ENOENT, ESRCH; EACCES: ptrace(2), access mode checking
        return b""


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
