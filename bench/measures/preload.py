"""What preload saves: 32 workers of a module that takes 300 ms to import and holds 100 MB.

Times are in milliseconds, memory in megabytes: the PSS of all workers together.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from naruto import Manager

from .. import kernel
from ..results import Key
from ..service import ROOT

WORKERS = 32
MODULE = """
import time
from naruto import WorkerProcess

time.sleep(0.3)
HELD = [str(number) * 4 for number in range(1_200_000)]


class Heavy(WorkerProcess):
    def business(self):
        pass
"""
WAYS = (("with preload", "--preload"), ("without", "--no-preload"))
MB = 1024 * 1024


def figures(number: int) -> Iterator[tuple[Key, str, float]]:
    """Yield the time of a start and of a reload, and the memory, with and without."""
    by = number % len(WAYS)
    for name, flag in (*WAYS[by:], *WAYS[:by]):
        for measure, figure in _service(flag):
            yield Key(measure, WORKERS), name, figure


def _service(flag: str) -> Iterator[tuple[str, float]]:
    with tempfile.TemporaryDirectory() as home:
        Path(home, "heavy.py").write_text(MODULE)
        began = time.monotonic()
        subprocess.run(
            [
                *(sys.executable, "-m", "naruto", "start", "heavy:Heavy", "-d", flag),
                *("--workers", str(WORKERS), "--start-timeout", "none"),
                *("--run-dir", f"{home}/run", "--log-file", f"{home}/log"),
            ],
            cwd=home,
            env={**os.environ, "PWD": home, "PYTHONPATH": ROOT},
            check=True,
            capture_output=True,
        )
        service = Manager(run_dir=f"{home}/run")
        try:
            yield "start of a large module", (time.monotonic() - began) * 1000
            began = time.monotonic()
            service.reload()
            yield "reload of a large module", (time.monotonic() - began) * 1000
            workers = service.status()["groups"][0]["workers"]
            yield "memory of a large module", sum(_megabytes(one["pid"]) for one in workers)
        finally:
            service.stop()


def _megabytes(pid: int) -> float:
    return kernel.memory(pid) / MB
