"""How much memory is this process's alone: proc_pid_smaps(5)."""

from __future__ import annotations

import os


def private() -> int:
    """Return the bytes that no other process shares: what its end would give back.

    Pages that it shares with the process that it was forked from count from the moment on
    at which it has written to them. Where the kernel does not sum that up, all that is
    resident and not of files is taken instead.
    """
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            lines = [line.split() for line in file if line.startswith(b"Private_")]
    except OSError:
        return _anonymous()
    return sum(int(line[1]) for line in lines) * 1024


def _anonymous() -> int:
    with open("/proc/self/statm", "rb") as file:
        _, resident, shared, *_ = map(int, file.read().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
