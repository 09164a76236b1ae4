"""What preload saves: 32 workers of a module that takes 300 ms to import and holds 100 MB.

Each figure is with preload, as a share of without it, both taken in one run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache

from naruto import Manager

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


def _pss(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


@cache
def _figures(number: int, preload: bool) -> tuple[float, float, float]:
    """Return seconds to start, seconds to reload, and megabytes of all workers (PSS)."""
    with tempfile.TemporaryDirectory() as home:
        with open(f"{home}/heavy.py", "w") as file:
            file.write(MODULE)
        flag = "--preload" if preload else "--no-preload"
        options = [
            "--workers",
            str(WORKERS),
            "--run-dir",
            f"{home}/run",
            "--start-timeout=none",
            flag,
        ]
        command = [sys.executable, "-m", "naruto", "start", "heavy:Heavy", *options, "-d"]
        log = ["--log-file", f"{home}/log"]
        began = time.monotonic()
        environ = {**os.environ, "PWD": home}
        subprocess.run([*command, *log], cwd=home, env=environ, check=True, capture_output=True)
        started = time.monotonic()
        service = Manager(run_dir=f"{home}/run")
        service.reload()
        reloaded = time.monotonic()
        groups = service.status()["groups"]
        memory = sum(_pss(worker["pid"]) for worker in groups[0]["workers"]) / 1024
        service.stop()
    return started - began, reloaded - started, memory


def _share(which: int) -> Callable[[], float]:
    def measure(number: list[int] = [0]) -> float:  # noqa: B006 - counts this measure's rounds
        number[0] += 1
        with_it, without = _figures(number[0], True), _figures(number[0], False)
        return with_it[which] / without[which]

    return measure


MEASURES = (
    ("start of 32 workers, with / without preload", "", _share(0)),
    ("reload of 32 workers, with / without preload", "", _share(1)),
    ("memory of 32 workers (PSS), with / without", "", _share(2)),
)
