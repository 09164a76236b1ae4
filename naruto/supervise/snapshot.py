"""What ``status`` shows: the state and the scoreboard as data, in a documented schema.

``docs/protocol.md`` has the schema. Reading costs no worker anything: they may all be
deep in a loop.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .. import __version__
from ..core.ids import WorkerId
from ..core.lifecycle import Phase
from ..core.messages import printable
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
        "groups": [_group(group, children, now) for group in state.groups.values()],
    }


def _service_state(state: State) -> str:
    if state.closing is not None:
        return "restarting" if state.closing.again else f"ending ({state.closing.verb})"
    if not state.up:
        return "starting"
    return "reloading" if state.rollout is not None else "running"


def _group(group: Group, children: Mapping[WorkerId, Child], now: float) -> dict[str, Any]:
    return {
        "name": group.name,
        "generation": group.generation,
        "wanted": group.policy.workers,
        "workers": [
            _worker(worker, children.get(worker.id), now)
            for slot in group.slots
            for worker in slot.workers
        ],
    }


def _worker(worker: Worker, child: Child | None, now: float) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "index": worker.id.index,
        "serial": worker.id.serial,
        "generation": worker.generation,
        "pid": worker.pid,
        "state": worker.phase.value,
        "uptime": round(now - worker.born, 3),
        "told": worker.order.verb if worker.order else None,
    }
    if child is None:
        return shown
    reading = child.line.read()
    if worker.phase is Phase.LOOPING:
        shown["state"] = _DOING.get(reading.doing, worker.phase.value)
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


def doing(child: Child, now: float) -> str:
    """Say in words what a worker that has just died was cut in; nothing between loops."""
    reading = child.line.read()
    if reading.doing is not Doing.LOOPING:
        return ""
    what = f", working on {printable(reading.working_on)}" if reading.working_on else ""
    return f"in a loop for {max(0.0, now - reading.began):.1f} s{what}"
