"""decide: the state and an event in, the next state and the effects out.

This file says which policy answers which event, and what is seen to after each. It is
pure: the same arguments always give the same result, and nothing outside changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from . import (
    closing,
    ends,
    events,
    flights,
    hangs,
    recycling,
    renewal,
    rollout,
    staffing,
    undoing,
)
from .effects import Effect
from .ids import LoopsOf, SlotId, WorkerId
from .state import Group, Slot, State, Worker
from .turn import Turn

SAME_KEY_PRESS = 1.0
"""Seconds within which a second INT is still the first: a wrapper and the terminal may
both deliver one Ctrl-C."""

SIGNALS = {
    "USR1": "reload",
    "HUP": "reload",
    "USR2": "quit",
    "QUIT": "quit",
    "TERM": "stop",
    "INT": "stop",
}
"""Signal to request; a second INT, and HUP of a terminal that is gone, mean more."""


def decide(state: State, event: events.Event, now: float) -> tuple[State, list[Effect]]:
    """Decide what follows from an event.

    Args:
        state: What is known; it is not changed.
        event: What happened.
        now: When, in seconds on the monotonic clock.

    Returns:
        The next state, and what is to be done, in order.

    Raises:
        ImpossibleTransition: The master reported what can't be. The state stands.
    """
    turn = Turn(state, now)
    if not state.over:
        _RULES[type(event)](turn, event)
        if turn.state.closing is None:
            rollout.next_wish(turn)
            ends.end_if_exhausted(turn)
            staffing.recruit(turn)
    return turn.state, turn.effects


def _started(turn: Turn, event: events.Started) -> None:
    for name, policy in event.groups.items():
        slots = (Slot(),) * policy.workers
        turn.put_group(Group(name, policy, event.generation, slots))
    where = staffing.all_slots(turn.state)
    turn.change(
        strangers=event.strangers,
        unready=len(where),
        vacant=dict.fromkeys(where, event.generation),
    )


def _requested(turn: Turn, event: events.Requested) -> None:
    if event.verb in ("quit", "stop"):
        closing.requested(turn, event)
    elif turn.state.closing is not None:
        closing.refuse_while_closing(turn, event)
    elif event.verb in ("restart", "upgrade"):
        renewal.requested(turn, event)
    else:
        rollout.requested(turn, event)


def _signalled(turn: Turn, event: events.Signalled) -> None:
    by = f"SIG{event.name} from {event.by}"
    at_once = False
    if event.name == "INT":
        first = turn.state.interrupted
        if first is not None and turn.now - first < SAME_KEY_PRESS:
            return
        at_once = first is not None
        turn.change(interrupted=turn.now)
    verb = "stop" if event.terminal_gone else SIGNALS[event.name]
    _requested(turn, events.Requested(verb, at_once=at_once, by=by))


def _attend(turn: Turn, where: SlotId) -> None:
    """See to one slot after anything has changed in it."""
    if turn.state.closing is None:
        staffing.tend(turn, where)
        recycling.advance(turn, where)
        flights.advance(turn, where)


def _spawn_failed(turn: Turn, event: events.SpawnFailed) -> None:
    worker = staffing.spawn_failed(turn, event)
    if event.by_code and not turn.state.up and turn.state.closing is None:
        closing.fail_start(turn, f"worker {worker.id} could not be spawned: {event.error}")
    if turn.state.closing is not None:
        closing.end_if_empty(turn)
        return
    undoing.after_end(turn, worker, f"could not be spawned: {event.error}")
    if not turn.state.up:  # the first start goes on: only a worker's own death ends it
        staffing.fill(turn, worker.id.slot)
    _attend(turn, worker.id.slot)


def _became_ready(turn: Turn, event: events.BecameReady) -> None:
    was_up = turn.state.up
    staffing.became_ready(turn, event)
    if turn.state.up and not was_up:
        for where in staffing.all_slots(turn.state):
            _attend(turn, where)
    else:
        _attend(turn, event.worker.slot)


def _held(turn: Turn, event: events.Held) -> None:
    rollout.held(turn, event)
    _attend(turn, event.worker.slot)


def _last_loop_ended(turn: Turn, event: events.LastLoopEnded) -> None:
    staffing.last_loop_ended(turn, event)
    _attend(turn, event.worker.slot)


def _exited(turn: Turn, event: events.Exited) -> None:
    ends.exited(turn, event)
    _attend(turn, event.worker.slot)


def _stranger_gone(turn: Turn, event: events.StrangerGone) -> None:
    staffing.stranger_gone(turn, event)
    _attend(turn, event.slot)


def _time_passed(turn: Turn, event: events.TimePassed) -> None:
    due = [key for key, at in turn.state.alarms.items() if at <= turn.now]
    for key in due:
        if isinstance(key, WorkerId):
            worker = turn.state.worker(key)
            if worker is None:
                turn.alarm(key, None)
            else:
                _overdue(turn, worker)
        elif isinstance(key, SlotId):
            staffing.retry(turn, key)
        elif isinstance(key, LoopsOf):
            hangs.look(turn, key)
        else:
            renewal.probe_is_late(turn)


def _overdue(turn: Turn, worker: Worker) -> None:
    """A worker let a deadline pass."""
    policy = worker.policy
    if _past(worker.ready_by, turn.now):
        turn.kill(worker, f"was not READY within start_timeout ({policy.start_timeout:g} s)")
    elif worker.order and _past(worker.order.deadline, turn.now):
        turn.kill(worker, "did not leave before its deadline")
    elif _past(worker.exit_by, turn.now):
        turn.kill(
            worker, f"was still in on_stop after stop_timeout ({policy.stop_timeout:g} s)"
        )
    elif _past(worker.loop_by, turn.now):
        worker = turn.put(attrs.evolve(worker, loop_by=None))
        if rollout.long_loops_are_normal(turn, worker):
            rollout.passed(turn, worker)
        else:
            undoing.refuse(turn, _hangs(worker, policy.canary_timeout))


def _hangs(worker: Worker, timeout: float | None) -> str:
    return (
        f"the canary {worker.id} (pid {worker.pid}) is still in its first loop after"
        f" canary_timeout ({timeout:g} s), longer than any loop of the worker before it;"
        f" it was told to leave, and index {worker.id.index} rests until it does"
    )


def _past(deadline: float | None, now: float) -> bool:
    return deadline is not None and deadline <= now


_RULES: dict[type, Callable[[Turn, Any], None]] = {
    events.Started: _started,
    events.Requested: _requested,
    events.Signalled: _signalled,
    events.SettingsRead: rollout.begin,
    events.SettingsRefused: rollout.settings_refused,
    events.Probed: renewal.probed,
    events.Spawned: staffing.spawned,
    events.SpawnFailed: _spawn_failed,
    events.BecameReady: _became_ready,
    events.FirstLoopEnded: rollout.first_loop_ended,
    events.Held: _held,
    events.LastLoopEnded: _last_loop_ended,
    events.RecycleAsked: recycling.asked,
    events.LoopsSeen: hangs.seen,
    events.Exited: _exited,
    events.StrangerGone: _stranger_gone,
    events.TimePassed: _time_passed,
}
