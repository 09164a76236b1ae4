"""The end of a worker whose master is dead: what it has started is asked to end, by itself."""

from __future__ import annotations

import os
import resource
import signal

from ..unix import subreaper
from ..unix.marks import everybody_else, mark_of, send


def leave_nobody(mark: str, title: str) -> None:
    """Ask whatever this worker has started to end: nobody else will.

    Args:
        mark: What stands in the environment of all that it has exec'd.
        title: Its own, which all that it has only forked still have. One that was cut off,
            for want of room, might be anybody's, and proves nothing.
    """
    if not subreaper.children() and not resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt:
        return  # it has never had a child, so it need not look at everybody there is
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    own = title.encode()
    whole = _title_of(os.getpid()) == own
    for pid in everybody_else():
        if (whole and _title_of(pid) == own) or mark_of(pid) == mark:
            send(pid, signal.SIGTERM)


def _title_of(pid: int) -> bytes:
    return subreaper.title_of(pid).rstrip(b"\0")
