"""The refusal of a reload: the new workers go, the old ones work as if nothing had been.

Where the canary fails, no other new worker exists, and undoing means to let it go and its
predecessor go on. Where one fails later, what was replaced already is replaced back: the
plans are turned round and rolled out once more, without a canary.
"""

from __future__ import annotations

import attrs

from .flights import advance_flying, finish, goes, make_room, take_off
from .ids import SlotId, WorkerId
from .lifecycle import Phase
from .plans import Plan, Stage
from .staffing import is_canary, tend
from .state import State, Worker
from .turn import Turn


def after_end(turn: Turn, worker: Worker, why: str) -> None:
    """A worker has ended, or was never born: see what that means for the rollout."""
    rollout = turn.state.rollout
    if rollout is None or worker.id.group not in rollout.plans:
        return
    if worker.id in rollout.leaving:
        turn.change(rollout=attrs.evolve(rollout, leaving=rollout.leaving - {worker.id}))
        make_room(turn, worker.id.group)
        return
    plan = rollout.plans[worker.id.group]
    if proves(turn.state, worker):
        name = "the canary" if rollout.stage is Stage.CANARY else "a new worker"
        refuse(turn, f"{name} {why}")
    elif (
        rollout.stage is Stage.UNDOING
        and worker.generation == plan.generation
        and worker.id.index in plan.flying
        and worker.order is None
    ):
        _give_up_on(turn, worker.id.slot, plan)


def proves(state: State, worker: Worker) -> bool:
    """Whether a worker's end speaks against the new code, and not against its slot."""
    rollout = state.rollout
    if rollout is None or rollout.stage is not Stage.ROLLING:
        return is_canary(state, worker)
    plan = rollout.plans.get(worker.id.group)
    return (
        plan is not None
        and worker.generation == plan.generation
        and worker.id.index in plan.flying
    )


def _give_up_on(turn: Turn, where: SlotId, plan: Plan) -> None:
    """The old code doesn't start any more either: what works there may stay."""
    turn.log("error", f"{where.group}-{where.index} could not be put back to the old code")
    turn.put_plan(where.group, plan.without(where.index))
    advance_flying(turn, where.group)  # they may have waited for this one to be READY
    take_off(turn, where.group)
    finish(turn)


def refuse(turn: Turn, why: str) -> None:
    """Stop the reload and go back."""
    rollout = turn.state.rollout
    assert rollout is not None
    turn.log("error", f"reload to generation {rollout.generation} refused: {why}")
    vacant = {w: g for w, g in turn.state.vacant.items() if g != rollout.generation}
    turn.change(vacant=vacant)
    leaving = rollout.leaving
    plans = {}
    for name, plan in rollout.plans.items():
        plans[name] = _turned_round(turn, name)
        for index in range(len(turn.state.groups[name].slots)):
            leaving |= _dismiss(turn, SlotId(name, index), plan.generation)
    back = attrs.evolve(rollout, stage=Stage.UNDOING, leaving=leaving, refusal=why)
    turn.change(rollout=attrs.evolve(back, plans=plans))
    for name, plan in plans.items():
        turn.put_plan(name, _with_todo(turn, name, plan))
    for name in plans:
        for index in range(len(turn.state.groups[name].slots)):
            tend(turn, SlotId(name, index))
        take_off(turn, name)
    finish(turn)


def _turned_round(turn: Turn, name: str) -> Plan:
    group = turn.state.groups[name]
    workers = group.policy.workers if group.serving else 0
    return Plan(group.policy, group.generation, workers, passed=True)


def _dismiss(turn: Turn, where: SlotId, generation: int) -> frozenset[WorkerId]:
    """Let the slot's new worker go, unless it is all that the slot has and works.

    Returns:
        Whose end the refusal waits for: who may be in a loop is not among them, because a
        loop is never cut, and a hanging one never ends.
    """
    workers = turn.state.groups[where.group].slots[where.index].workers
    old = any(w.stays and w.generation != generation for w in workers)
    leaving = set()
    for worker in workers:
        if worker.generation != generation:
            continue
        if worker.stays and not (old or worker.phase in (Phase.FORKING, Phase.STARTING)):
            turn.put(attrs.evolve(worker, loop_by=None))  # a canary no more
            continue
        if worker.stays:
            turn.order(worker, "reload")
        if not worker.occupies:
            leaving.add(worker.id)
    return frozenset(leaving)


def _with_todo(turn: Turn, name: str, plan: Plan) -> Plan:
    todo = [
        index
        for index, slot in enumerate(turn.state.groups[name].slots)
        if (
            slot.workers
            if goes(turn, SlotId(name, index), plan)
            else not _stays_old(slot.workers, plan)
        )
    ]
    return attrs.evolve(plan, todo=tuple(todo))


def _stays_old(workers: tuple[Worker, ...], plan: Plan) -> bool:
    return any(w.stays and w.generation == plan.generation for w in workers)
