"""The floor: fork, and nothing else. The least that any master of forked workers does.

Usage: floor.py WORKERS [FILE], with one module to import before the first fork a line of
FILE. The worker's own code is imported after the fork, as naruto does. USR1 replaces all
workers, TERM ends them, and one that dies is forked again at once.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

SIGNALS = {signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD}


def main(workers: int, modules: list[str]) -> None:
    """Supervise until TERM."""
    for name in modules:
        importlib.import_module(name)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    ready, tell = os.pipe()
    crew = {fork(tell) for _ in range(workers)}
    _drain(ready, workers)
    while (number := signal.sigwait(SIGNALS)) != signal.SIGTERM:
        if number == signal.SIGUSR1:
            crew, old = {fork(tell) for _ in range(workers)}, crew
            _drain(ready, workers)
            end(old)
        else:
            for pid in reaped():
                crew.remove(pid)
                crew.add(fork(tell))
                _drain(ready, 1)
    end(crew)


def fork(tell: int) -> int:
    """Fork a worker, which says so when it is ready; return its pid."""
    if pid := os.fork():
        return pid
    try:
        from bench.programs import looping

        # TERM stays blocked, so that none comes too early.
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGTERM})
        looping.run(lambda: os.write(tell, b"."))
    finally:
        os._exit(0)


def end(crew: set[int]) -> None:
    """Tell workers to leave after their loop, and wait until all have."""
    for pid in crew:
        os.kill(pid, signal.SIGTERM)
    for pid in crew:
        os.waitpid(pid, 0)


def reaped() -> list[int]:
    """Return the workers that have died."""
    found = []
    while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
        found.append(pid)
    return found


def _drain(ready: int, workers: int) -> None:
    while workers:
        workers -= len(os.read(ready, workers))


if __name__ == "__main__":
    listed = open(sys.argv[2]).read().split() if sys.argv[2:] else []  # noqa: SIM115
    main(int(sys.argv[1]), listed)
