"""What must be true after every event, of the world and not of the core's bookkeeping."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from naruto.core import events
from naruto.core.ids import LoopsOf
from naruto.core.lifecycle import Phase
from naruto.core.messages import LEAVE

if TYPE_CHECKING:
    from naruto.core.policy import Policy

    from .world import FakeWorker, World


def after_event(world: World, event: events.Event) -> None:
    """Check everything that holds always."""
    books_match(world)
    one_at_work(world)
    given_up_for_a_reason(world)
    strength_kept(world)
    not_too_many(world)
    recycled_in_turn(world)
    if isinstance(event, events.TimePassed):
        assert world.state.next_alarm > world.clock, "an alarm in the past rings for ever"
    assert world.state.over == bool(world.exits)
    assert len(world.exits) <= 1


def books_match(world: World) -> None:
    """The core counts those whom the world has, and names them all."""
    state, alive = world.state, world.alive()
    assert state.population == len(alive)
    assert {w.id for w in state.workers()} == {w.id for w in alive}
    unborn = [w for w in alive if w.life.value == "unborn"]
    assert state.forking == len(unborn)
    assert {w.id for w in state.workers() if w.phase is Phase.FORKING} == {w.id for w in unborn}


def one_at_work(world: World) -> None:
    """Two workers of one index are never in business() at once."""
    at_work = Counter(w.id.slot for w in world.workers.values() if w.life.value == "working")
    at_work.update(world.strangers)
    assert all(count == 1 for count in at_work.values()), at_work


def given_up_for_a_reason(world: World) -> None:
    """A group is FATAL only after more restarts than its policy allows; then it may empty."""
    for name, group in world.state.groups.items():
        if group.fatal:
            policy = group.policy
            assert policy.max_restarts is not None
            assert len(world.lost.get(name, ())) > policy.max_restarts
            world.steady = {where for where in world.steady if where.group != name}
        for slot in group.slots:
            policies = _policies(world, name)
            done = slot.finished and slot.finished == group.generation
            assert not done or any(p and p.restart != "always" for p in policies)
        idle = {i for i, slot in enumerate(group.slots) if slot.finished}
        world.steady = {at for at in world.steady if at.group != name or at.index not in idle}


def recycled_in_turn(world: World) -> None:
    """No more are being recycled than surge allows, and each of them has asked for it."""
    for name, group in world.state.groups.items() if not world.closing else ():
        assert len(group.recycling) <= group.policy.in_flight
        for index in group.recycling:
            workers = world.alive(name, index)
            assert not workers or any(w.recycles for w in workers)


def may_end_by_itself(world: World) -> None:
    """The service ends by itself only where nothing will ever run again."""
    for group in world.state.groups.values():
        assert group.fatal or group.exhausted


def staffed(world: World, *, lasting: bool = False) -> set[tuple[str, int]]:
    """Return the slots with a worker that is READY and has not ended its last loop.

    Where it shall be lasting, the master knows that, and has not told it to leave.
    """
    ready = ("waiting", "working", "held")
    those = [w for w in world.alive() if w.life.value in ready and not w.killed]
    return {w.id.slot for w in those if not lasting or (w.heard_ready and not w.told)}


def strength_kept(world: World) -> None:
    """No slot that was staffed is empty, but for an accident or the end of the service."""
    if world.closing:
        return
    now, lasting = staffed(world), staffed(world, lasting=True)
    for where in world.steady:
        policies = _policies(world, where.group)
        kept = all(policy is not None and where.index < policy.workers for policy in policies)
        if kept and policies and all(p.overlap for p in policies):
            assert where in now, f"{where} lies idle because of a reload"
    # The master may not have read yet that one is on its way out, and count on it.
    unlucky = {w.id.slot for w in world.alive() if w.unlucky}
    world.steady = ((world.steady & now) | lasting) - unlucky


def _policies(world: World, group: str) -> list[Policy | None]:
    """The policies that count for a group now: one, or two during its reload."""
    found = [world.accepted[group][0] if group in world.accepted else None]
    if group in world.coming:
        found.append(world.coming[group])
    return found


def not_too_many(world: World) -> None:
    """A group has no more processes than its workers and its surge; an undo, twice that."""
    if world.closing:
        return
    alive = Counter(w.id.group for w in world.alive() if not _hangs_on(world, w))
    for group, count in alive.items():
        policies = [policy for policy in _policies(world, group) if policy is not None]
        workers = max((p.workers for p in policies), default=0)
        changing = world.coming or any(w.recycles for w in world.alive(group))
        surge = max((p.in_flight for p in policies), default=0) if changing else 0
        if _undoing(world):  # it does not wait for those who hand over in a last, long loop
            surge *= 2
        assert count <= workers + surge, f"{count} processes for {workers} + {surge}"


def _hangs_on(world: World, worker: FakeWorker) -> bool:
    """Whether it belongs to a refused reload and is still in a loop, for which none waits."""
    name = worker.id.group
    wanted = {world.accepted[name][1]} if name in world.accepted else set()
    if name in world.coming and not _undoing(world):
        wanted.add(world.coming_generation)
    return worker.begun and bool(worker.told) and worker.generation not in wanted


def _undoing(world: World) -> bool:
    rollout = world.state.rollout
    return rollout is not None and bool(rollout.refusal)


def told_to_leave(worker: FakeWorker, verb: str) -> None:
    """Nobody is told to leave twice with the same or a weaker verb."""
    assert not worker.killed
    assert all(LEAVE.index(verb) > LEAVE.index(earlier) for earlier in worker.told)


def may_be_killed(world: World, worker: FakeWorker) -> None:
    """Nobody is killed twice, or before one of its deadlines."""
    assert worker.alive
    assert not worker.killed
    late = any(deadline <= world.clock + 1e-6 for deadline in worker.kill_from.values())
    assert late or world.kill_now, f"{worker.id} is killed before its time"


def at_rest(world: World) -> None:
    """Everything has settled: each slot has one worker of the right generation, looping."""
    assert all(isinstance(key, LoopsOf) for key in world.state.alarms)
    assert world.state.rollout is None
    assert not world.coming
    found = Counter((w.id.slot, w.generation, w.life.value) for w in world.alive())
    wanted = Counter(
        ((name, index), generation, "working")
        for name, (policy, generation) in world.accepted.items()
        for index in range(policy.workers)
        if not _empty_for_good(world, name, index)
    )
    marooned = {(name, index) for name, index in world.marooned}
    assert _but(found, marooned) == _but(wanted, marooned)
    assert {w.phase for w in world.state.workers()} <= {Phase.LOOPING}
    assert not any(group.recycling for group in world.state.groups.values())
    assert not world.asked


def _empty_for_good(world: World, name: str, index: int) -> bool:
    group = world.state.groups[name]
    return bool(group.fatal) or group.slots[index].finished == group.generation


def _but(count: Counter, slots: set) -> Counter:
    return Counter({key: n for key, n in count.items() if tuple(key[0]) not in slots})
