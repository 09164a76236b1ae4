"""The run: every measure, interleaved, so that what else the machine does meets all alike.

Each repetition runs every adapter once, and each begins with another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .adapters import ALL, rotated
from .adapters.base import Adapter
from .measures import growth, idle, imports, lives, loop, message, preload, respawn, whole
from .plan import Plan
from .reaper import Reaper
from .results import Key, Results
from .service import Failed

Figures = Iterator[tuple[Key, float]]
Measure = Callable[[Adapter, int, Reaper], Figures]
Alone = Callable[[int], Iterator[tuple[Key, str, float]]]
"""What needs no service; it is given the number of the repetition."""


def run(plan: Plan, results: Results, said: Callable[[str], object]) -> None:
    """Take every figure of a plan.

    Args:
        plan: What to measure.
        results: Where to add it.
        said: Is told of each measure before it begins.
    """
    reaper = Reaper.installed()
    try:
        for name, alone in _alone(plan):
            said(name)
            for number in range(plan.repetitions):
                for key, whose, figure in alone(number):
                    results.add(key, whose, figure)
        for name, measure, sizes in _services(plan):
            for size in sizes:
                said(f"{name} of {size}")
                _measured(results, name, measure, size, plan.repetitions, reaper)
        said(f"respawn of {plan.respawn}")
        killed = [(one, plan.respawn) for one in ALL if takes_part(one, "respawn")]
        respawn.respawn(results, killed, reaper, plan.repetitions, plan.kills)
        said("idle")
        idle.idle(results, _resting(plan), reaper, plan.repetitions, plan.idle_seconds)
    finally:
        reaper.masters.clear()
        reaper.sweep()


def _services(plan: Plan) -> tuple[tuple[str, Measure, tuple[int, ...]], ...]:
    return (
        ("start", lives.resting, plan.start),
        ("reload", lives.working, plan.reload),
        ("growth", growth.growth, plan.growth),
        ("whole", whole.whole, plan.whole),
    )


def _alone(plan: Plan) -> Iterator[tuple[str, Alone]]:
    yield "version", imports.figures
    yield "loop", loop.figures
    yield "message", message.figures
    if plan.preload:
        yield "preload", preload.figures


def _measured(
    results: Results, name: str, measure: Measure, size: int, repetitions: int, reaper: Reaper
) -> None:
    failed = set()
    for number in range(repetitions):
        for adapter in rotated(ALL, number):
            if adapter.name in failed or not takes_part(adapter, name):
                continue
            try:
                for key, figure in measure(adapter, size, reaper):
                    results.add(key, adapter.name, figure)
            except Failed as failure:  # it would again, and each time takes a minute
                failed.add(adapter.name)
                results.lack(Key(name, size), adapter.name, str(failure))


def takes_part(adapter: Adapter, name: str) -> bool:
    """Whether somebody can be measured so, and is to be."""
    return name not in adapter.lacks and (adapter.only is None or name in adapter.only)


def _resting(plan: Plan) -> list[tuple[Adapter, int]]:
    ours = [one for one in ALL if one.kind in ("naruto", "floor") and one.only is None]
    everybody = [one for one in ALL if one.only is None and one.kind != "pool"]
    several = [(one, size) for size in plan.idle for one in everybody]
    return several + [(one, size) for size in plan.idle_alone for one in ours]
