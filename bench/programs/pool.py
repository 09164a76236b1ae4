"""The common workload in a pool of the standard library.

Usage: pool.py KIND WORKERS. It keeps workers and hands out work, but supervises nothing:
each task is to loop.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import NoReturn

from bench.programs import looping

CONTEXT = multiprocessing.get_context("fork")


def task() -> NoReturn:
    """Loop until TERM. It was meant for the process: back in the pool, that would wait on."""
    looping.run()
    os._exit(0)


def pool(workers: int) -> None:
    """Run a multiprocessing.Pool until TERM."""
    with CONTEXT.Pool(workers) as crew:
        for _ in range(workers):
            crew.apply_async(task)
        signal.sigwait({signal.SIGTERM})
        crew.terminate()  # TERM to each worker
        crew.join()


def executor(workers: int) -> None:
    """Run a ProcessPoolExecutor until TERM."""
    with ProcessPoolExecutor(workers, CONTEXT) as crew:
        for _ in range(workers):
            crew.submit(looping.run)
        signal.sigwait({signal.SIGTERM})
        for process in multiprocessing.active_children():
            os.kill(process.pid, signal.SIGTERM)


if __name__ == "__main__":
    # Blocked in the threads of the pool as well; workers inherit it, and wait for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    {"pool": pool, "executor": executor}[sys.argv[1]](int(sys.argv[2]))
