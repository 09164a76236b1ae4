"""A reload: the canary proves the new code, then the others follow, or nothing does.

What happens at each index is in ``flights``, the refusal of a reload in ``undoing``.
"""

from __future__ import annotations

import attrs

from . import recycling
from .effects import Answer, ReadSettings
from .events import FirstLoopEnded, Held, Requested, SettingsRead, SettingsRefused
from .flights import advance, finish, take_off
from .ids import SlotId
from .lifecycle import Happening
from .plans import Plan, Rollout, Stage, Wish
from .policy import Policy
from .staffing import is_canary, is_on_trial
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
