"""How long an index stays empty when its worker is killed: milliseconds.

All services rest side by side, so that the patience of some costs the others no time.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Iterable

from ..adapters.base import Adapter
from ..reaper import Reaper
from ..results import Key, Results
from ..service import Failed, Service, side_by_side
from .lives import MS, RESTING

SETTLED = 5.0
"""Seconds that workers live before: masters let wait what dies too soon, Cotyledon whoever
dies within as many seconds as there are workers."""


def respawn(
    results: Results,
    services: Iterable[tuple[Adapter, int]],
    reaper: Reaper,
    repetitions: int,
    kills: int,
) -> None:
    """Add the median time from a kill to the replacement's first loop, for each service.

    Args:
        results: Where to add it.
        services: Which, and of how many workers each.
        reaper: Kills what is left.
        repetitions: How many figures.
        kills: How many workers are killed for one figure, one after the other.
    """
    with side_by_side("respawn", results, services, reaper, loop=0.0, rest=RESTING) as up:
        for number in range(repetitions):
            time.sleep(SETTLED)
            by = number % len(up)
            for service in (*up[by:], *up[:by]):
                key, name = Key("respawn", service.size), service.adapter.name
                try:
                    results.add(key, name, statistics.median(kill_some(service, kills)))
                except Failed as failed:
                    results.lack(key, name, str(failed))


def kill_some(service: Service, kills: int) -> list[float]:
    """Kill the oldest workers, one after the other; return milliseconds for each."""
    times = []
    for victim in service.alive[:kills]:
        began = time.monotonic_ns()
        os.kill(victim, signal.SIGKILL)
        times.append((max(service.await_begun(1).values()) - began) / MS)
    return times
