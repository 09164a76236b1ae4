"""Recycling: a worker that asks for it is replaced between two loops, one READY first.

At most ``surge`` of a group at a time, and none while a reload replaces them anyway. What
a worker asked for is remembered in the worker; a group knows which indexes it has granted.
"""

from __future__ import annotations

import attrs

from .events import RecycleAsked
from .ids import SlotId, WorkerId
from .staffing import fill, unwant
from .state import Group, Slot, Worker
from .turn import Turn


def asked(turn: Turn, event: RecycleAsked) -> None:
    """A worker wants to be replaced; it goes on meanwhile."""
    worker = turn.state.worker(event.worker)
    if worker is None or worker.recycle or not (worker.stays and worker.begun):
        return
    turn.log("info", f"{worker.id} asks to be replaced: {event.reason}")
    turn.put(attrs.evolve(worker, recycle=(turn.now, event.reason)))
    grant(turn, worker.id.group)


def grant(turn: Turn, name: str) -> None:
    """Begin with as many as may be in flight, who asked first first."""
    while (group := _open_to_grants(turn, name)) is not None:
        waiting = [
            (worker.recycle, index)
            for index, slot in enumerate(group.slots)
            if index not in group.recycling and (worker := _asking(slot)) is not None
        ]
        if not waiting or len(group.recycling) >= group.policy.in_flight:
            return
        _, index = min(waiting, key=lambda one: one[0] or (0.0, ""))
        turn.put_group(attrs.evolve(group, recycling=group.recycling | {index}))
        advance(turn, SlotId(name, index))


def _open_to_grants(turn: Turn, name: str) -> Group | None:
    state = turn.state
    busy = state.rollout is not None and name in state.rollout.plans
    group = state.groups.get(name)
    return None if busy or state.closing or group is None or group.fatal else group


def _asking(slot: Slot) -> Worker | None:
    return next((w for w in slot.workers if w.recycle and w.stays), None)


def advance(turn: Turn, where: SlotId) -> None:
    """Take the next step in one slot, if it has been granted a replacement."""
    group = turn.state.groups.get(where.group)
    if group is None or where.index not in group.recycling:
        return
    old = next((w for w in group.slots[where.index].workers if w.recycle), None)
    if old is None:
        turn.put_group(attrs.evolve(group, recycling=group.recycling - {where.index}))
        grant(turn, where.group)
    elif old.order is None:
        newer = _newer(group.slots[where.index], old)
        if not group.policy.overlap or (newer is not None and newer.was_ready):
            turn.order(old, "reload")
        elif newer is None:
            fill(turn, where)


def _newer(slot: Slot, old: Worker) -> Worker | None:
    return next((w for w in slot.workers if w.id.serial > old.id.serial and w.stays), None)


def call_off(turn: Turn, name: str) -> frozenset[WorkerId]:
    """Make way for a reload of the group.

    Returns:
        Whose end makes room: replacements that nobody waits for any more, and workers that
        have been told to make way for theirs.
    """
    group = turn.state.groups[name]
    leaving = set()
    for index in group.recycling:
        unwant(turn, SlotId(name, index))
        slot = group.slots[index]
        old = next((w for w in slot.workers if w.recycle), None)
        if old is not None and old.order is not None:
            leaving.add(old.id)
        elif old is not None and (newer := _newer(slot, old)) is not None:
            turn.order(newer, "reload")
            leaving.add(newer.id)
    turn.put_group(attrs.evolve(turn.state.groups[name], recycling=frozenset()))
    return frozenset(leaving)
