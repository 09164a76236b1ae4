"""What a master does while nothing happens: CPU time and context switches.

All services rest side by side, and each repetition is one look at all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from .. import kernel
from ..adapters.base import Adapter
from ..reaper import Reaper
from ..results import Key, Results
from ..service import side_by_side
from .lives import MS, RESTING


def idle(
    results: Results,
    services: Iterable[tuple[Adapter, int]],
    reaper: Reaper,
    repetitions: int,
    seconds: float,
) -> None:
    """Add milliseconds of CPU and the number of context switches, for each service.

    Args:
        results: Where to add them.
        services: Which, and of how many workers each.
        reaper: Kills what is left.
        repetitions: How many looks.
        seconds: How long each takes.
    """
    with side_by_side("idle CPU", results, services, reaper, loop=0.0, rest=RESTING) as up:
        time.sleep(min(3.0, seconds))  # the last to start settle as the first have
        for _ in range(repetitions):
            before = [(kernel.cpu(one.pid), kernel.switches(one.pid)) for one in up]
            time.sleep(seconds)
            for service, (cpu, switches) in zip(up, before, strict=True):
                name, size = service.adapter.name, service.size
                spent = (kernel.cpu(service.pid) - cpu) / MS
                results.add(Key("idle CPU", size), name, spent)
                woken = kernel.switches(service.pid) - switches
                results.add(Key("idle switches", size), name, woken)
