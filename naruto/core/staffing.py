"""Who fills a slot, and when: spawning, backing off, and letting a worker begin.

The rule that holds everywhere: at most one worker of a slot may be in business(), and
the newest that stays begins as soon as the slot is free.
"""

from __future__ import annotations

import attrs

from .effects import Announce, Spawn
from .events import BecameReady, LastLoopEnded, Spawned, SpawnFailed, StrangerGone
from .ids import LoopsOf, SlotId, WorkerId
from .lifecycle import Happening, ImpossibleTransition, Phase, fits
from .plans import Stage
from .policy import Policy
from .state import State, Worker
from .turn import Turn

FORKS_AT_ONCE = 32
"""How many forks may be asked for before their births are known: between two such
batches the master sees to everything else, so that a stop never waits for a big start."""

SHORTEST_DELAY = 0.5
LONGEST_DELAY = 30.0
"""Seconds to wait before a slot is filled again, after the first short life and at most."""


def want(turn: Turn, where: SlotId, generation: int) -> None:
    """Ask for a worker of a generation in a slot; recruit spawns it."""
    turn.alarm(where, None)
    turn.change(vacant={**turn.state.vacant, where: generation})


def unwant(turn: Turn, where: SlotId) -> None:
    """Call off what was asked for in a slot and is not begun."""
    turn.alarm(where, None)
    if where in turn.state.vacant:
        turn.change(vacant={w: g for w, g in turn.state.vacant.items() if w != where})


def recruit(turn: Turn) -> None:
    """Spawn for vacant slots, as many as may be forked at once, and not one by one."""
    if turn.state.forking > FORKS_AT_ONCE // 2:
        return  # the rest of a big start comes in batches: see unix.children.fork_each
    while turn.state.vacant and turn.state.forking < FORKS_AT_ONCE:
        vacant = dict(turn.state.vacant)
        where = next(iter(vacant))
        generation = vacant.pop(where)
        who = WorkerId(*where, turn.state.next_serial)
        turn.change(vacant=vacant, forking=turn.state.forking + 1, next_serial=who.serial + 1)
        policy = policy_of(turn.state, who.group, generation)
        turn.add(Worker(who, generation, turn.now, policy))
        turn.emit(Spawn(who, generation))


def policy_of(state: State, name: str, generation: int) -> Policy:
    """Return the policy in force for workers of a generation, now and here.

    Of a generation that was refused, or whose reload was called off, that is the group's.
    """
    plan = state.rollout.plans.get(name) if state.rollout else None
    if plan is not None and plan.generation == generation:
        return plan.policy
    return state.groups[name].policy


def _unborn(turn: Turn, who: WorkerId) -> Worker:
    worker = turn.state.worker(who)
    if worker is None:
        raise ImpossibleTransition(f"{who} was never asked for")
    return worker


def spawned(turn: Turn, event: Spawned) -> None:
    """A worker was born: it has start_timeout to become READY."""
    worker = _unborn(turn, event.worker)
    timeout = worker.policy.start_timeout
    turn.change(forking=turn.state.forking - 1)
    worker = turn.step(
        worker,
        Happening.SPAWNED,
        pid=event.pid,
        ready_by=None if timeout is None else turn.now + timeout,
    )
    if worker.doomed:
        turn.kill(worker, worker.doomed)
    elif worker.order is not None:  # told before it was born
        turn.step(worker, Happening.LEAVE)


def spawn_failed(turn: Turn, event: SpawnFailed) -> Worker:
    """A fork has failed: the slot is tried again, later each time."""
    worker = _unborn(turn, event.worker)
    turn.change(forking=turn.state.forking - 1)
    turn.remove(turn.step(worker, Happening.SPAWN_FAILED))
    slot = turn.state.slot(worker.id.slot)
    assert slot is not None
    trouble = f"{worker.id} could not be spawned: {event.error}"
    turn.change_slot(worker.id.slot, failures=slot.failures + 1, trouble=trouble)
    turn.log("warning", trouble, cause=f"spawn: {event.error}")
    return worker


def became_ready(turn: Turn, event: BecameReady) -> None:
    """A worker is READY; the first start waits until all are."""
    worker = turn.state.worker(event.worker)
    if worker is None or worker.was_ready or not fits(worker.phase, Happening.READY):
        return
    turn.step(worker, Happening.READY, was_ready=True, ready_by=None)
    if not turn.state.up and turn.state.closing is None:
        turn.change(unready=turn.state.unready - 1)
        if turn.state.unready == 0:
            turn.change(up=True)
            turn.emit(Announce(len(all_slots(turn.state))))


def last_loop_ended(turn: Turn, event: LastLoopEnded) -> None:
    """A worker will not loop again: it has stop_timeout for its on_stop."""
    worker = turn.state.worker(event.worker)
    if worker is None or not fits(worker.phase, Happening.DONE):
        return
    timeout = worker.policy.stop_timeout
    turn.step(
        worker,
        Happening.DONE,
        finished=True,
        by_hand=event.by_hand and worker.order is None,
        ready_by=None,
        loop_by=None,
        exit_by=None if timeout is None else turn.now + timeout,
    )


def stranger_gone(turn: Turn, event: StrangerGone) -> None:
    """The worker of a dead master has left the slot free."""
    turn.change(strangers=turn.state.strangers - {event.slot})


def delay(failures: int, serial: int) -> float:
    """Seconds until a slot is tried again.

    They double, and are spread by a tenth either way so that slots which failed together
    don't come back together. The golden ratio of the serial spreads as well as chance
    and keeps the core free of it.
    """
    if failures == 0:
        return 0.0
    base = min(LONGEST_DELAY, SHORTEST_DELAY * 2.0 ** min(failures - 1, 16))
    return base * (0.9 + 0.2 * (serial * 0.6180339887 % 1.0))


def tend(turn: Turn, where: SlotId) -> None:
    """Let whoever may begin begin, and fill the slot if it's empty."""
    slot = turn.state.slot(where)
    if slot is None or not turn.state.up or turn.state.closing is not None:
        return
    if not turn.state.occupied(where):
        waiting = [w for w in slot.workers if w.stays and w.phase in (Phase.READY, Phase.HELD)]
        if waiting:
            _let_go(turn, waiting[-1])
    if not slot.workers:
        fill(turn, where)


def fill(turn: Turn, where: SlotId) -> None:
    """See to it that an empty slot gets a worker, now or after its delay."""
    generation = wanted_generation(turn.state, where)
    slot = turn.state.slot(where)
    if generation is None or slot is None or where in turn.state.vacant:
        return
    if where in turn.state.alarms:
        return
    pause = delay(slot.failures, turn.state.next_serial)
    if pause == 0:
        want(turn, where, generation)
    else:
        turn.log("warning", f"{where} is tried again in {pause:.1f} s")
        turn.alarm(where, turn.now + pause)


def retry(turn: Turn, where: SlotId) -> None:
    """The delay of a slot is over."""
    turn.alarm(where, None)
    slot = turn.state.slot(where)
    if slot is None or (slot.workers and where.index not in _recycled(turn.state, where)):
        return
    generation = wanted_generation(turn.state, where)
    if generation is not None:
        want(turn, where, generation)


def _recycled(state: State, where: SlotId) -> frozenset[int]:
    return state.groups[where.group].recycling


def wanted_generation(state: State, where: SlotId) -> int | None:
    """Which code belongs into an empty slot; None where staffing has no say.

    An index that a reload has under way is filled by the reload.
    """
    generation = _belonging(state, where)
    finished = state.groups[where.group].slots[where.index].finished
    return None if generation == finished else generation


def _belonging(state: State, where: SlotId) -> int | None:
    group = state.groups[where.group]
    plan = state.rollout.plans.get(where.group) if state.rollout else None
    ours = group.serving and where.index < group.policy.workers
    if plan is None or state.rollout is None:
        return group.generation if ours else None
    if where.index in plan.flying:
        return None
    if state.rollout.stage is Stage.CANARY or where.index in plan.todo:
        return group.generation if ours and where.index != plan.canary else None
    return plan.generation if where.index < plan.workers else None


def is_canary(state: State, worker: Worker) -> bool:
    """Whether this is the worker with which a reload proves its code."""
    rollout = state.rollout
    if rollout is None or rollout.stage is not Stage.CANARY:
        return False
    plan = rollout.plans.get(worker.id.group)
    return (
        plan is not None
        and plan.canary == worker.id.index
        and worker.generation == rollout.generation
    )


def is_on_trial(state: State, worker: Worker) -> bool:
    """Whether this is a canary that has not passed yet."""
    rollout = state.rollout
    return (
        is_canary(state, worker)
        and rollout is not None
        and not rollout.plans[worker.id.group].passed
    )


def _let_go(turn: Turn, worker: Worker) -> None:
    if not is_canary(turn.state, worker):
        turn.go(worker)
    else:
        timeout = worker.policy.canary_timeout
        turn.go(worker, None if timeout is None else turn.now + timeout, canary=True)
    _watch_loops(turn, worker)


def _watch_loops(turn: Turn, worker: Worker) -> None:
    """See to it that somebody looks when a loop that begins now would be too old."""
    key = LoopsOf(worker.id.group)
    if worker.policy.loop_limits:
        at = turn.now + min(worker.policy.loop_limits)
        turn.alarm(key, min(at, turn.state.alarms.get(key, at)))


def all_slots(state: State) -> list[SlotId]:
    """Every slot there is."""
    return [SlotId(g.name, i) for g in state.groups.values() for i in range(len(g.slots))]


def truncate(turn: Turn, name: str, workers: int) -> None:
    """Forget the slots of a group beyond its workers, or the whole group with the last."""
    group = turn.state.groups[name]
    for index in range(workers, len(group.slots)):
        unwant(turn, SlotId(name, index))
    if workers:
        turn.put_group(attrs.evolve(group, slots=group.slots[:workers]))
    else:
        turn.change(groups={n: g for n, g in turn.state.groups.items() if n != name})
