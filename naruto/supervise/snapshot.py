"""What ``status`` shows: the state and the scoreboard as data, in a documented schema.

``docs/protocol.md`` has the schema. Reading costs no worker anything: they may all be
deep in a loop.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .. import __version__
from ..core.deaths import Death
from ..core.ids import SlotId, WorkerId
from ..core.lifecycle import Phase
from ..core.state import Group, State, Worker
from ..process import Process
from ..unix.scoreboard import Doing
from .child import Child
from .premises import Premises

_DOING = {Doing.LOOPING: "looping", Doing.RESTING: "resting"}


def service(
    master: Process, premises: Premises, state: State, children: Mapping[WorkerId, Child]
) -> dict[str, Any]:
    """Return the service, its groups and their workers; times are in seconds."""
    now = time.monotonic()
    return {
        "name": master.name,
        "pid": master.pid,
        "version": __version__,
        "run_dir": premises.rundir.path,
        "state": _service_state(state),
        "groups": [_group(g, state, children, now) for g in state.groups.values()],
    }


def _service_state(state: State) -> str:
    if state.closing is not None:
        return "restarting" if state.closing.again else f"ending ({state.closing.verb})"
    if not state.up:
        return "starting"
    return "reloading" if state.rollout is not None else "running"


def _group(
    group: Group, state: State, children: Mapping[WorkerId, Child], now: float
) -> dict[str, Any]:
    return {
        "name": group.name,
        "generation": group.generation,
        "wanted": group.policy.workers,
        "state": _group_state(group, now),
        "fatal": group.fatal or None,
        "failing": [_failing(group, index, state, now) for index in group.failing(now)],
        "orphans": sorted(slot.index for slot in state.strangers if slot.group == group.name),
        "exits": dict(group.ends),
        "last_exits": [_death(death, now) for death in group.deaths],
        "workers": [
            _worker(worker, children.get(worker.id), now)
            for slot in group.slots
            for worker in slot.workers
        ],
    }


def _group_state(group: Group, now: float) -> str:
    if group.fatal:
        return "FATAL"
    if group.failing(now):
        return "failing"
    return "finished" if group.exhausted else "running"


def _failing(group: Group, index: int, state: State, now: float) -> dict[str, Any]:
    slot, at = group.slots[index], state.alarms.get(SlotId(group.name, index))
    return {
        "index": index,
        "failures": slot.failures,
        "cause": slot.trouble,
        "next_try": None if at is None else round(max(0.0, at - now), 3),
    }


def _death(death: Death, now: float) -> dict[str, Any]:
    end = death.end
    return {
        "index": death.worker.index,
        "serial": death.worker.serial,
        "generation": death.generation,
        "pid": death.pid,
        "exit_code": end.code,
        "signal": end.signal or None,
        "by": death.by,
        "ago": round(now - death.at, 3),
        "uptime": round(death.uptime, 3),
        "loops": end.loops,
        "loop_age": None if end.loop_age is None else round(end.loop_age, 3),
        "working_on": end.working_on or None,
        "cpu": round(end.cpu, 3),
        "memory": end.memory,
        "oom": end.oom or None,
        "last_words": end.last_words or None,
    }


def _worker(worker: Worker, child: Child | None, now: float) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "index": worker.id.index,
        "serial": worker.id.serial,
        "generation": worker.generation,
        "pid": child.pid if child is not None else worker.pid,  # known to the core in a moment
        "state": worker.phase.value,
        "uptime": round(now - worker.born, 3),
        "told": worker.order.verb if worker.order else None,
    }
    if child is None:
        return shown
    reading = child.line.read()
    if worker.phase is Phase.LOOPING:
        shown["state"] = _DOING.get(reading.doing, worker.phase.value)
    if child.stopped:
        shown["state"] = "stopped"
    in_loop = reading.doing is Doing.LOOPING
    return {
        **shown,
        "loops": reading.loops,
        "errors": reading.errors,
        "loop_age": round(max(0.0, now - reading.began), 3) if in_loop else None,
        "working_on": reading.working_on or None,
        "busy": round(reading.busy, 3),
        "longest_loop": round(reading.longest, 3),
    }
