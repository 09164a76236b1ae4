"""Who is whose child: what the kernel says, to be compared with what a master says."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.process.stage import crew, pids
from tests.service import Service


def children(pid: int) -> dict[int, str]:
    """Return pid and title of each child of a process; a zombie has an empty title."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and _parent(name) == pid:
            found[int(name)] = _title(name)
    return found


def moulds(service: Service) -> set[int]:
    """Return the pids of a master's moulds; what they have just forked is still called so."""
    return {pid for pid, title in children(service.pid).items() if " mould " in title}


def mould(service: Service) -> int:
    """Return the pid of the only mould."""
    [only] = moulds(service)
    return only


def assert_at_strength(service: Service, workers: int, moulds_left: int = 1) -> None:
    """See that a master has so many workers, and no child but them and its moulds."""
    known = pids(service)
    assert len(crew(service)) == len(known) == workers
    assert 0 not in known
    others = {p: title for p, title in children(service.pid).items() if p not in known}
    assert len(others) == moulds_left, others
    assert all(" mould " in title for title in others.values()), others


def descriptors(pid: int) -> list[str]:
    """Return what a process has open, without the numbers that differ from one to the next."""
    found = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(kind(os.readlink(fd)))
        except FileNotFoundError:
            continue  # closed meanwhile
    return sorted(found)


def kind(link: str) -> str:
    """Return what a descriptor is, without the number that tells it from its like."""
    return re.sub(r"\[\d+\]|-\d+\.\d+\.pipe", "", link)


def _parent(pid: str) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None  # it has just ended
    return int(stat.rpartition(")")[2].split()[1])


def _title(pid: str) -> str:
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""  # it has just ended
    return data.replace(b"\0", b" ").decode(errors="replace").strip()
