"""The common workload as a service of Cotyledon, with its manager.

Usage: cotyledon_service.py WORKERS [PAUSE]
"""

from __future__ import annotations

import sys
import threading

import cotyledon

from bench.work import Work


class Looping(cotyledon.Service):
    """Does the work in the thread that Cotyledon gives it."""

    def __init__(self, worker_id: int) -> None:
        super().__init__(worker_id)
        self._leaving, self._left = threading.Event(), threading.Event()

    def run(self) -> None:
        """Loop until told to terminate."""
        work = Work()
        while not self._leaving.is_set():
            work.loop()
            if work.rest_seconds:
                self._leaving.wait(work.rest_seconds)
        self._left.set()

    def terminate(self) -> None:
        """Let the loop end: the process exits when this returns."""
        self._leaving.set()
        self._left.wait()


def main(workers: int, *pause: float) -> None:
    """Supervise until TERM, with so many seconds between two forks if that is said."""
    manager = cotyledon.ServiceManager(*pause)
    manager.add(Looping, workers=workers)
    manager.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(float, sys.argv[2:]))
