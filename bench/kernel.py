"""What the kernel counts of a process: proc(5)."""

from __future__ import annotations

import os


def cpu(pid: int) -> int:
    """Return the nanoseconds that all threads of a process have run on a processor."""
    return sum(int(_read(f"{task}/schedstat").split()[0]) for task in _tasks(pid))


def switches(pid: int) -> int:
    """Return how often the threads of a process were put to sleep or pushed aside."""
    lines = [line for task in _tasks(pid) for line in _read(f"{task}/status").splitlines()]
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


def memory(pid: int) -> int:
    """Return a process's memory in bytes: what it shares counts by its share (PSS)."""
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _tasks(pid: int) -> list[str]:
    return [f"/proc/{pid}/task/{task}" for task in os.listdir(f"/proc/{pid}/task")]


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()
