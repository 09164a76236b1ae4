"""What a reload does at one index: a new worker, the handing over, and what comes after it.

``advance`` looks at one slot and at what the plan wants of it, and takes the next step
there; so it may be called at any time, and a late or doubled event does no harm.
"""

from __future__ import annotations

import attrs

from . import recycling
from .effects import Answer, Forget
from .ids import SlotId
from .lifecycle import Phase
from .plans import Plan, Rollout, Stage
from .staffing import all_slots, tend, truncate, unwant, want
from .state import Worker
from .turn import Turn


def advance(turn: Turn, where: SlotId) -> None:
    """Take the next step of the rollout in one slot, if it has one there."""
    rollout = turn.state.rollout
    plan = rollout.plans.get(where.group) if rollout else None
    if rollout is None or plan is None:
        return
    if rollout.stage is Stage.CANARY:
        if where.index == plan.canary:
            _advance_canary(turn, where, plan)
    elif where.index in plan.flying:
        if goes(turn, where, plan):
            _retire(turn, where)
        else:
            _hand_over(turn, where, plan)


def goes(turn: Turn, where: SlotId, plan: Plan) -> bool:
    """Whether nobody is to work in a slot afterwards."""
    slot = turn.state.groups[where.group].slots[where.index]
    return where.index >= plan.workers or slot.finished == plan.generation


def _advance_canary(turn: Turn, where: SlotId, plan: Plan) -> None:
    canary = _newcomer(turn, where, plan)
    if canary is None or canary.begun:
        return
    for old in turn.state.groups[where.group].slots[where.index].workers:
        if old.stays and old.phase is Phase.LOOPING:
            turn.hold(old)


def _newcomer(turn: Turn, where: SlotId, plan: Plan) -> Worker | None:
    """Return the slot's worker of the plan's generation once it is READY; else see to one."""
    workers = turn.state.groups[where.group].slots[where.index].workers
    for worker in reversed(workers):
        if worker.generation == plan.generation and worker.stays:
            return worker if worker.was_ready else None
    if not plan.policy.overlap:
        for old in workers:
            turn.order(old, "reload")
    if len(workers) < (2 if plan.policy.overlap else 1) and _room(turn, where.group, plan):
        want(turn, where, plan.generation)
    return None


def _room(turn: Turn, name: str, plan: Plan) -> bool:
    """Whether a canary fits, while those are still leaving that made way for the reload."""
    return bool(plan.flying) or _leaving(turn, name) < max(1, plan.policy.in_flight)


def _leaving(turn: Turn, name: str) -> int:
    rollout = turn.state.rollout
    return sum(who.group == name for who in rollout.leaving) if rollout else 0


def _retire(turn: Turn, where: SlotId) -> None:
    workers = turn.state.groups[where.group].slots[where.index].workers
    for worker in workers:
        turn.order(worker, "reload")
    if not workers:
        unwant(turn, where)
        _landed(turn, where)


def _hand_over(turn: Turn, where: SlotId, plan: Plan) -> None:
    newcomer = _newcomer(turn, where, plan)
    if newcomer is None:
        return
    if where.index in plan.unready:
        plan = attrs.evolve(plan, unready=plan.unready - {where.index})
        turn.put_plan(where.group, plan)
        if plan.all_at_once and not plan.gathering:
            advance_flying(turn, where.group)
            return
    if plan.all_at_once and plan.gathering:
        return
    workers = turn.state.groups[where.group].slots[where.index].workers
    for old in workers:
        if old.id != newcomer.id:
            turn.order(old, "reload")
    if newcomer.begun and len(workers) == 1:
        _landed(turn, where)


def advance_flying(turn: Turn, name: str) -> None:
    """Take the next step wherever a group has an index under way."""
    rollout = turn.state.rollout
    for index in sorted(rollout.plans[name].flying) if rollout else ():
        advance(turn, SlotId(name, index))


def _landed(turn: Turn, where: SlotId) -> None:
    """One index has arrived where the plan wants it; the next may take off."""
    assert turn.state.rollout is not None
    plan = turn.state.rollout.plans[where.group]
    turn.put_plan(where.group, plan.without(where.index))
    turn.change_slot(where, failures=0, trouble="")
    take_off(turn, where.group)
    finish(turn)


def take_off(turn: Turn, name: str) -> None:
    """Begin with as many indexes of a group as may be in flight."""
    while True:
        rollout = turn.state.rollout
        plan = rollout.plans.get(name) if rollout else None
        if rollout is None or plan is None or not plan.todo:
            return
        if len(plan.flying) + _leaving(turn, name) >= max(1, plan.policy.in_flight):
            return
        index, *todo = plan.todo
        leaves = goes(turn, SlotId(name, index), plan)
        if leaves and not turn.state.groups[name].slots[index].workers:
            unwant(turn, SlotId(name, index))  # gone already: nothing to fly for
            turn.put_plan(name, attrs.evolve(plan, todo=tuple(todo)))
            continue
        unready = plan.unready if leaves else plan.unready | {index}
        turn.put_plan(
            name,
            attrs.evolve(plan, todo=tuple(todo), flying=plan.flying | {index}, unready=unready),
        )
        advance(turn, SlotId(name, index))


def make_room(turn: Turn, name: str) -> None:
    """Use the place of a worker that has left."""
    plan = turn.state.rollout.plans[name] if turn.state.rollout else None
    if plan is not None and plan.canary is not None:
        advance(turn, SlotId(name, plan.canary))
    take_off(turn, name)
    finish(turn)


def finish(turn: Turn) -> None:
    """End the rollout if nothing of it is left to do."""
    rollout = turn.state.rollout
    if rollout is None or rollout.stage is Stage.CANARY or rollout.leaving:
        return
    if any(plan.todo or plan.flying for plan in rollout.plans.values()):
        return
    turn.change(rollout=None)
    if rollout.stage is Stage.ROLLING:
        status, text = 0, _commit(turn, rollout)
        turn.log("info", text)
    else:
        status, text = 1, f"reload refused: {rollout.refusal}"
        for name in rollout.plans:
            group = turn.state.groups[name]
            truncate(turn, name, group.policy.workers if group.generation else 0)
    for name in rollout.plans:
        recycling.grant(turn, name)
    for client in rollout.clients:
        turn.emit(Answer(client, status, text))
    turn.emit(Forget(frozenset(g.generation for g in turn.state.groups.values())))
    for where in all_slots(turn.state):
        if where.group in rollout.plans:
            tend(turn, where)


def _commit(turn: Turn, rollout: Rollout) -> str:
    for name, plan in rollout.plans.items():
        group = turn.state.groups[name]
        group = attrs.evolve(group, policy=plan.policy, generation=plan.generation)
        turn.put_group(attrs.evolve(group, fatal="", restarts=()))
        truncate(turn, name, plan.workers)
    workers = sum(plan.workers for plan in rollout.plans.values())
    return f"reloaded: {workers} workers run generation {rollout.generation}"
