"""From the first to the last moment of a service: start, memory, stop, and reload at work.

Times are in milliseconds, memory in megabytes (PSS).
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from .. import kernel, records
from ..adapters.base import Adapter
from ..reaper import Reaper
from ..results import Key
from ..service import Service, running

MS = 1e6
MB = 1024 * 1024
RESTING = 600.0
"""Seconds to rest after the first loop: for longer than any measure takes."""
MEMORY_AT = 32


def resting(adapter: Adapter, size: int, reaper: Reaper) -> Iterator[tuple[Key, float]]:
    """Yield the time of a start and of a stop, and the memory in between."""
    with running(adapter, size, reaper, loop=0.0, rest=RESTING) as service:
        begun = service.await_begun(size)
        yield Key("start", size), (max(begun.values()) - service.began) / MS
        if size == MEMORY_AT:
            yield Key("memory of the master", size), kernel.memory(service.pid) / MB
            workers = [kernel.memory(pid) for pid in service.alive]
            yield Key("memory of a worker", size), sum(workers) / len(workers) / MB
        began = time.monotonic_ns()
        adapter.stop(service)
        yield Key("stop", size), (service.await_end() - began) / MS


def working(adapter: Adapter, size: int, reaper: Reaper) -> Iterator[tuple[Key, float]]:
    """Yield the time of a reload under loops of 10 ms, the lowest strength, and loops cut."""
    if "reload" in adapter.lacks:
        return
    with running(adapter, size, reaper) as service:
        service.await_begun(size)
        old = service.alive
        began = time.monotonic_ns()
        adapter.reload(service)
        at_work = max(service.await_begun(size).values())
        ended = max(at_work, service.await_gone(old))
        yield Key("reload", size), (ended - began) / MS
        yield from _judged(service, size, began, ended)


def _judged(service: Service, size: int, began: int, ended: int) -> Iterator[tuple[Key, float]]:
    found = service.records().values()
    yield Key("strength", size), records.lowest_strength(found, began, ended)
    yield Key("loops cut", size), sum(one.cut for one in found)
