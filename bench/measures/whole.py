"""One large service through its whole life: what it takes, and what is left of it.

Times are in milliseconds, memory in megabytes of the whole machine's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from naruto import Manager

from ..adapters.base import Adapter
from ..reaper import Reaper
from ..results import Key
from ..service import running
from .lives import MS

EVERY = 0.05
"""Seconds between two looks at the machine's memory."""


def whole(adapter: Adapter, size: int, reaper: Reaper) -> Iterator[tuple[Key, float]]:
    """Yield how long start, status, reload and stop take; memory, descriptors; what is left."""
    if adapter.kind != "naruto":
        return
    with (
        _least_available() as least,
        running(adapter, size, reaper, loop=0.0, rest=1.0) as service,
    ):
        before = least[0]
        began = service.await_begun(size)
        yield Key("start, ms", size), (max(began.values()) - service.began) / MS
        manager = Manager(run_dir=f"{service.home}/run")
        yield Key("status, ms", size), _milliseconds(manager.status)
        fds = len(os.listdir(f"/proc/{service.pid}/fd"))
        yield Key("descriptors of the master", size), fds
        yield Key("reload, ms", size), _milliseconds(manager.reload)
        service.await_begun(size)
        yield Key("stop, ms", size), _milliseconds(manager.stop)
        service.await_end()
        yield Key("peak of memory, MB", size), (before - min(least)) / 1024
        alive = len(service.alive) + reaper.sweep()
        files = os.path.exists(f"{service.home}/run")
        yield Key("processes and files left", size), alive + files


def _milliseconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return (time.monotonic() - began) * 1000


@contextmanager
def _least_available() -> Iterator[list[int]]:
    """Note again and again how much memory is available, in kB: proc(5), meminfo."""
    seen, over = [_available()], threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            seen.append(_available())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def _available() -> int:
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
