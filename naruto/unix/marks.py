"""Marks: whose descendant a process is, told by its environment.

What a worker starts inherits the mark over exec, however far below, and whoever its parent
is by then.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from . import subreaper

MARK = "_NARUTO_WORKER"
"""The variable; it holds the path of the worker's pipe."""


def mark_of(pid: int) -> str:
    """Return the path of the pipe of the worker whose descendant this is; "" if of none."""
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
