"""One decision in the making: the state so far, and the effects so far.

A Turn lives for one call of ``decide`` only. The state inside it is replaced, never
changed, so that a decision that raises leaves the caller's state as it was. It knows how
to change one worker or one slot consistently; what to change is the policies' business.
"""

from __future__ import annotations

from typing import Any

import attrs

from .effects import Effect, Kill, Log, Tell
from .ids import SlotId
from .lifecycle import Happening, Phase, step
from .messages import LEAVE
from .plans import Plan
from .state import Group, Key, Order, Slot, State, Worker


@attrs.define
class Turn:
    """The state and the effects while one event is being decided."""

    state: State
    now: float
    effects: list[Effect] = attrs.field(factory=list)

    def emit(self, effect: Effect) -> None:
        """Ask for something to be done."""
        self.effects.append(effect)

    def log(self, level: str, text: str, cause: str = "") -> None:
        """Ask for a line in the log."""
        self.emit(Log(level, text, cause))

    def change(self, **fields: Any) -> None:
        """Replace fields of the state."""
        self.state = attrs.evolve(self.state, **fields)

    # Slots and groups

    def put_group(self, group: Group) -> None:
        """Replace a group, or add it."""
        self.change(groups={**self.state.groups, group.name: group})

    def put_slot(self, where: SlotId, slot: Slot) -> None:
        """Replace a slot."""
        group = self.state.groups[where.group]
        slots = (*group.slots[: where.index], slot, *group.slots[where.index + 1 :])
        self.put_group(attrs.evolve(group, slots=slots))

    def change_slot(self, where: SlotId, **fields: Any) -> None:
        """Replace fields of a slot."""
        group = self.state.groups[where.group]
        self.put_slot(where, attrs.evolve(group.slots[where.index], **fields))

    def put_plan(self, name: str, plan: Plan) -> None:
        """Replace the plan of a group in the rollout."""
        rollout = self.state.rollout
        assert rollout is not None
        self.change(rollout=attrs.evolve(rollout, plans={**rollout.plans, name: plan}))

    def alarm(self, key: Key, at: float | None) -> None:
        """Set, move or clear an alarm."""
        if self.state.alarms.get(key) == at:
            return
        alarms = {k: t for k, t in self.state.alarms.items() if k != key}
        if at is not None:
            alarms[key] = at
        self.change(alarms=alarms)

    # Workers

    def add(self, worker: Worker) -> None:
        """Put a new worker into its slot."""
        slot = self.state.groups[worker.id.group].slots[worker.id.index]
        self.put_slot(worker.id.slot, attrs.evolve(slot, workers=(*slot.workers, worker)))
        self.change(population=self.state.population + 1)

    def put(self, worker: Worker) -> Worker:
        """Replace a worker that is in its slot, and its alarm."""
        slot = self.state.groups[worker.id.group].slots[worker.id.index]
        workers = tuple(worker if w.id == worker.id else w for w in slot.workers)
        self.put_slot(worker.id.slot, attrs.evolve(slot, workers=workers))
        self.alarm(worker.id, worker.alarm)
        return worker

    def remove(self, worker: Worker) -> None:
        """Take a worker that is gone out of its slot."""
        slot = self.state.groups[worker.id.group].slots[worker.id.index]
        workers = tuple(w for w in slot.workers if w.id != worker.id)
        self.put_slot(worker.id.slot, attrs.evolve(slot, workers=workers))
        self.alarm(worker.id, None)
        self.change(population=self.state.population - 1)

    def step(self, worker: Worker, happening: Happening, **fields: Any) -> Worker:
        """Let something happen to a worker, as the lifecycle table has it."""
        phase = step(worker.phase, happening)
        return self.put(attrs.evolve(worker, phase=phase, **fields))

    # Orders

    def go(self, worker: Worker, loop_by: float | None = None, **args: Any) -> None:
        """Tell a worker to begin, or to go on."""
        self.step(worker, Happening.GO, begun=True, loop_by=loop_by)
        self.emit(Tell(worker.id, "go", args))

    def hold(self, worker: Worker) -> None:
        """Tell a worker to rest between two loops."""
        number = worker.holds + 1
        self.step(worker, Happening.HOLD, holds=number)
        self.emit(Tell(worker.id, "hold", {"number": number}))

    def order(self, worker: Worker, verb: str, timeout: float | None = None) -> None:
        """Tell a worker to leave, unless it was told so as strongly before.

        Args:
            worker: Who is to leave.
            verb: "reload", "quit" or "stop".
            timeout: Seconds until it will be killed; None for never.
        """
        if worker.phase is Phase.KILLED or not _stronger(verb, worker.order):
            return
        deadline = None if timeout is None else self.now + timeout
        self.step(worker, Happening.LEAVE, order=Order(verb, deadline), loop_by=None)
        args = {} if deadline is None else {"deadline": round(deadline, 6)}
        self.emit(Tell(worker.id, verb, args))

    def kill(self, worker: Worker, cause: str) -> None:
        """End a worker at once."""
        self.step(worker, Happening.KILL, cause=cause)
        self.emit(Kill(worker.id))


def _stronger(verb: str, order: Order | None) -> bool:
    return order is None or LEAVE.index(verb) > LEAVE.index(order.verb)
