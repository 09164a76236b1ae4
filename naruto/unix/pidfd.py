"""Learn of the end of a process that is no child: pidfd_open(2)."""

from __future__ import annotations

import os


def watch(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends; None if it has."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
