"""What one step costs the master, in milliseconds of CPU, in small and in large services.

Only for masters that can be sent a message: the others' figures would explain nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from .. import kernel
from ..adapters.base import Adapter
from ..reaper import Reaper
from ..results import Key
from ..service import Service, running
from .lives import MS, RESTING
from .respawn import kill_some

MESSAGES = 300
PACE = 0.001
"""Seconds between two messages, so that each wakes the master: a small service must not look
cheaper by reading several at a time."""
KILLS = 5
SETTLED = 1.2
"""Seconds that workers live before they are killed: a little over min_uptime."""


def growth(adapter: Adapter, size: int, reaper: Reaper) -> Iterator[tuple[Key, float]]:
    """Yield the CPU time of one message, of one step of a reload, and of one respawn."""
    if type(adapter).messenger is Adapter.messenger:
        return
    with running(adapter, size, reaper, loop=0.0, rest=RESTING) as service:
        service.await_begun(size)
        before = _at_rest(service)
        send = adapter.messenger(service)
        for _ in range(MESSAGES):
            send()
            time.sleep(PACE)
        read = _at_rest(service)
        yield Key("CPU of a message", size), (read - before) / MS / MESSAGES
        old = service.alive
        adapter.reload(service)
        service.await_begun(size)
        service.await_gone(old)
        reloaded = _at_rest(service)
        yield Key("CPU of a reload's step", size), (reloaded - read) / MS / size
        time.sleep(SETTLED)
        kill_some(service, KILLS)
        yield Key("CPU of a respawn", size), (_at_rest(service) - reloaded) / MS / KILLS


def _at_rest(service: Service) -> int:
    """Return the master's nanoseconds of CPU when it has none to do any more."""
    last = -1
    while (now := kernel.cpu(service.pid)) != last:
        last = now
        time.sleep(0.05)
    return now
