"""The pools of the standard library, where a measure fits: they supervise nothing."""

from __future__ import annotations

from .base import Adapter, python


class Pool(Adapter):
    """multiprocessing.Pool; it looks every 0.1 s whether a worker has died."""

    name = "multiprocessing.Pool"
    kind = "pool"
    lacks = {
        "reload": "a multiprocessing.Pool has no reload",
        "respawn": "a multiprocessing.Pool forks again, but loses the task",
    }

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line."""
        return python("bench.programs.pool", "pool", size)


class Executor(Adapter):
    """concurrent.futures.ProcessPoolExecutor; broken when one of its workers dies."""

    name = "ProcessPoolExecutor"
    kind = "pool"
    lacks = {
        "reload": "a ProcessPoolExecutor has no reload",
        "respawn": "a ProcessPoolExecutor is broken when a worker dies",
    }

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line."""
        return python("bench.programs.pool", "executor", size)
