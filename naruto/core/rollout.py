"""A reload: the canary proves the new code, then the others follow, or nothing does.

``advance`` looks at one slot and at what the plan wants of it, and takes the next step
there; so it may be called at any time, and a late or doubled event does no harm. The
refusal of a reload is in ``undoing``.
"""

from __future__ import annotations

import attrs

from . import recycling
from .effects import Answer, Forget, ReadSettings
from .events import FirstLoopEnded, Held, Requested, SettingsRead, SettingsRefused
from .ids import SlotId
from .lifecycle import Happening, Phase
from .plans import Plan, Rollout, Stage, Wish
from .policy import Policy
from .staffing import all_slots, is_canary, is_on_trial, tend, truncate, unwant, want
from .state import Group, Slot, Worker
from .turn import Turn


def requested(turn: Turn, event: Requested) -> None:
    """A reload was asked for: it runs next, and once, however many ask meanwhile."""
    before = turn.state.wish.asked if turn.state.wish else ()
    if event.client is None and (None, event.groups) in before:
        return  # a signal or a hand that asks once more for what will be done anyway
    turn.log("info", f"reload asked for by {event.by}")
    turn.change(wish=Wish((*before, (event.client, event.groups))))


def next_wish(turn: Turn) -> None:
    """Begin the reload that waits, if nothing is in its way."""
    state = turn.state
    if state.wish and state.up and not (state.rollout or state.reading or state.closing):
        turn.change(wish=None, reading=state.wish)
        turn.emit(ReadSettings())


def settings_refused(turn: Turn, event: SettingsRefused) -> None:
    """The settings are bad: nothing changes."""
    wish = turn.state.reading
    if wish is None:
        return
    turn.change(reading=None)
    turn.log("error", f"reload refused: {event.text}")
    for client in wish.clients:
        turn.emit(Answer(client, 2, f"reload refused: {event.text}"))


def begin(turn: Turn, event: SettingsRead) -> None:
    """The settings are good: plan, and send the canaries."""
    wish = turn.state.reading
    if wish is None:
        return
    known = [*turn.state.groups, *(n for n in event.groups if n not in turn.state.groups)]
    wish = _without_strange_groups(turn, wish, known)
    if not wish.asked:
        turn.change(reading=None)
        return
    plans = {name: _plan(turn, name, event) for name in wish.groups or known}
    leaving = frozenset().union(*(recycling.call_off(turn, name) for name in plans))
    rollout = Rollout(event.generation, plans, clients=wish.clients, leaving=leaving)
    turn.change(reading=None, rollout=rollout)
    turn.log("info", f"reload to generation {event.generation} begins")
    for name, plan in plans.items():
        if plan.canary is not None:
            advance(turn, SlotId(name, plan.canary))
    _roll_if_passed(turn)


def _without_strange_groups(turn: Turn, wish: Wish, known: list[str]) -> Wish:
    """Refuse whoever asked for a group that there isn't; the others lose nothing by it."""
    granted = []
    for client, groups in wish.asked:
        strange = [name for name in groups if name not in known]
        if not strange:
            granted.append((client, groups))
            continue
        text = f"reload refused: no group {strange[0]!r}; there are: {', '.join(known)}"
        turn.log("error", text)
        if client is not None:
            turn.emit(Answer(client, 2, text))
    return Wish(tuple(granted))


def _plan(turn: Turn, name: str, event: SettingsRead) -> Plan:
    policy = event.groups.get(name)
    group = turn.state.groups.get(name)
    if policy is None:
        assert group is not None
        return Plan(group.policy, event.generation, workers=0, passed=True)
    if group is None:
        group = Group(name, policy, generation=0)
    missing = max(0, policy.workers - len(group.slots))
    group = attrs.evolve(group, slots=group.slots + (Slot(),) * missing)
    turn.put_group(group)
    return Plan(policy, event.generation, policy.workers, canary=_canary_index(group, policy))


def _canary_index(group: Group, policy: Policy) -> int:
    """Where the canary goes: the first index at which only one worker is."""
    free = (i for i in range(policy.workers) if len(group.slots[i].workers) < 2)
    return next(free, 0)


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


def finished_by_itself(turn: Turn, worker: Worker) -> None:
    """A new worker has ended, as its restart policy allows: its slot has arrived."""
    plan = turn.state.rollout.plans.get(worker.id.group) if turn.state.rollout else None
    if plan is None or worker.generation != plan.generation:
        return
    waiting = plan.unready - {worker.id.index}
    turn.put_plan(worker.id.group, attrs.evolve(plan, unready=waiting))
    if is_on_trial(turn.state, worker):
        passed(turn, worker)


def held(turn: Turn, event: Held) -> None:
    """A worker rests between two loops; an answer to a hold called off is too late."""
    worker = turn.state.worker(event.worker)
    if worker is not None and worker.holds == event.number:
        turn.step(worker, Happening.HELD, longest=event.longest)


def first_loop_ended(turn: Turn, event: FirstLoopEnded) -> None:
    """A canary's first loop has ended well: it has passed."""
    worker = turn.state.worker(event.worker)
    if worker is not None and is_canary(turn.state, worker) and worker.begun:
        passed(turn, turn.step(worker, Happening.LOOPED, loop_by=None))


def long_loops_are_normal(turn: Turn, canary: Worker) -> bool:
    """Whether a canary still in its first loop after canary_timeout says nothing bad.

    The worker that it stands in for tells: where its loops take as long, the canary has
    passed; where they are known to be shorter, the new code hangs. Where nothing is known
    nothing is held back for it either.
    """
    policy = turn.state.rollout.plans[canary.id.group].policy if turn.state.rollout else None
    workers = turn.state.groups[canary.id.group].slots[canary.id.index].workers
    known = [w.longest for w in workers if w.id != canary.id and w.holds]
    if policy is None or policy.canary_timeout is None or not known:
        return True
    return max(known) >= policy.canary_timeout


def passed(turn: Turn, canary: Worker) -> None:
    """A canary has proven itself; when all have, the others follow."""
    assert turn.state.rollout is not None
    plan = turn.state.rollout.plans[canary.id.group]
    turn.put_plan(canary.id.group, attrs.evolve(plan, passed=True))
    turn.log("info", f"{canary.id} has passed as canary of generation {canary.generation}")
    _roll_if_passed(turn)


def _roll_if_passed(turn: Turn) -> None:
    rollout = turn.state.rollout
    if rollout is None or not all(plan.passed for plan in rollout.plans.values()):
        return
    plans = {}
    for name, plan in rollout.plans.items():
        others = range(len(turn.state.groups[name].slots))
        todo = tuple(i for i in others if i != plan.canary)
        flying = frozenset() if plan.canary is None else frozenset({plan.canary})
        plans[name] = attrs.evolve(plan, todo=todo, flying=flying)
    turn.change(rollout=attrs.evolve(rollout, stage=Stage.ROLLING, plans=plans))
    for name, plan in plans.items():
        if plan.canary is not None:
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
