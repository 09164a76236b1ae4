"""The end of a worker whose master is dead: what it has started is asked to end, by itself."""

from __future__ import annotations

import os
import resource
import signal

from ..unix import subreaper
from ..unix.marks import everybody_else, mark_of, send


def leave_nobody(mark: str) -> None:
    """Ask whatever this worker has started to end: nobody else will.

    Args:
        mark: What it and all its descendants are known by.
    """
    if not subreaper.children() and not resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt:
        return  # it has never had a child, so it need not look at everybody there is
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    for pid in everybody_else():
        if mark_of(pid) == mark:
            send(pid, signal.SIGTERM)
