"""A worker's end: its record, and what it means for its slot, its group and the service.

The restart policy is here: who is followed by a new worker, who counts as a failure, and
when a group is given up.
"""

from __future__ import annotations

import attrs

from . import closing, rollout, undoing
from .deaths import KEPT, Death
from .events import Exited
from .ids import SlotId, WorkerId
from .lifecycle import Happening, fits
from .policy import Policy
from .staffing import fill, is_on_trial, policy_of, unwant
from .state import State, Worker
from .turn import Turn


def exited(turn: Turn, event: Exited) -> None:
    """A worker is dead and reaped."""
    worker = turn.state.worker(event.worker)
    if worker is None or not fits(worker.phase, Happening.EXITED):
        return  # reaped before, or not born yet: nothing to learn
    worker = turn.step(worker, Happening.EXITED)
    death = _record(turn, worker, event)
    turn.remove(worker)
    if turn.state.closing is None and not _may_be_refilled(turn.state, worker):
        why = death.killed or f"ended with {death.end.how} before it was READY"
        closing.fail_start(turn, f"worker {death.worker} {why}", death.end.last_words)
    if turn.state.closing is not None:
        closing.after_end(turn, death)
    elif not turn.state.up:
        turn.change(unready=turn.state.unready + worker.was_ready)
        _count_failure(turn, worker, str(death))
        fill(turn, worker.id.slot)
    else:
        _judge(turn, worker, death)


def _may_be_refilled(state: State, worker: Worker) -> bool:
    return state.up or worker.was_ready or worker.by_hand


def _record(turn: Turn, worker: Worker, event: Exited) -> Death:
    death = Death(
        worker.id,
        worker.pid,
        worker.generation,
        at=turn.now,
        uptime=turn.now - worker.born,
        end=event.end,
        killed=worker.cause,
        told=worker.order.verb if worker.order else "",
        by_hand=worker.by_hand,
    )
    turn.log(death.level, str(death))
    if event.end.last_words and event.end.signal:
        turn.log("error", f"last words of {worker.id}:\n{event.end.last_words}")
    group = turn.state.groups[worker.id.group]
    how = event.end.how
    turn.put_group(
        attrs.evolve(
            group,
            deaths=(*group.deaths, death)[-KEPT:],
            ends={**group.ends, how: group.ends.get(how, 0) + 1},
        )
    )
    return death


def _judge(turn: Turn, worker: Worker, death: Death) -> None:
    """Apply the restart policy of a service that is up: what's in force, for its successor."""
    policy = policy_of(turn.state, worker.id.group, worker.generation)
    allowed = not death.killed and death.end.code in policy.exit_codes
    over = policy.restart == "never" or (policy.restart == "unexpected" and allowed)
    why = _why(turn.state, worker, death)
    leaves = turn.state.rollout is not None and worker.id in turn.state.rollout.leaving
    if worker.order is not None or worker.by_hand or leaves:
        _forgive(turn, worker.id.slot)
    elif over and (allowed or not undoing.proves(turn.state, worker)):
        _finish_slot(turn, worker, policy, "" if allowed else why)
        return
    elif not undoing.proves(turn.state, worker):
        _count_failure(turn, worker, why)
        _count_restart(turn, worker.id, policy, why)
    if turn.state.closing is None:
        undoing.after_end(turn, worker, why)


def _forgive(turn: Turn, where: SlotId) -> None:
    turn.change_slot(where, failures=0, trouble="")


def _finish_slot(turn: Turn, worker: Worker, policy: Policy, trouble: str) -> None:
    """Leave a slot empty: its worker has done what there was to do, or shall not return."""
    where = worker.id.slot
    others = turn.state.groups[where.group].slots[where.index].workers
    if any(other.stays and other.id.serial > worker.id.serial for other in others):
        _forgive(turn, where)  # its replacement is there already
        return
    unwant(turn, where)
    turn.log("info", f"{where} is not started again (restart = {policy.restart})")
    turn.change_slot(where, failures=0, trouble=trouble, finished=worker.generation)
    rollout.finished_by_itself(turn, worker)


def _count_failure(turn: Turn, worker: Worker, why: str) -> None:
    """Remember whether a worker lived long enough; one never READY did not live at all."""
    slot = turn.state.slot(worker.id.slot)
    assert slot is not None
    uptime = turn.now - worker.born
    lived = worker.was_ready and uptime >= worker.policy.min_uptime
    failures = 0 if lived else slot.failures + 1
    turn.change_slot(worker.id.slot, failures=failures, trouble=why)


def _count_restart(turn: Turn, who: WorkerId, policy: Policy, why: str) -> None:
    """Give the group up when it needs more restarts than it may have.

    A reload under way is the remedy, and is not taken away from the group.
    """
    if policy.max_restarts is None:
        return
    group = turn.state.groups[who.group]
    since = turn.now - policy.restart_window
    restarts = (*(t for t in group.restarts if t > since), turn.now)
    turn.put_group(attrs.evolve(group, restarts=restarts))
    reloading = turn.state.rollout is not None and who.group in turn.state.rollout.plans
    if len(restarts) > policy.max_restarts and not reloading:
        _give_up(turn, who.group, f"{_more_than(policy)}; the last: {why}")


def _more_than(policy: Policy) -> str:
    return (
        f"more than {policy.max_restarts} restarts (max_restarts) within"
        f" {policy.restart_window:g} s (restart_window)"
    )


def _give_up(turn: Turn, name: str, why: str) -> None:
    """Make a group FATAL: nobody is started in it any more, and who is left may finish."""
    group = turn.state.groups[name]
    turn.log("critical", f"group {name} is FATAL: {why}")
    turn.put_group(attrs.evolve(group, fatal=why, restarts=(), recycling=frozenset()))
    for index, slot in enumerate(group.slots):
        unwant(turn, SlotId(name, index))
        for worker in slot.workers:
            turn.order(worker, "quit")


def end_if_exhausted(turn: Turn) -> None:
    """End a service in which nothing will ever run again: all is done, or all is FATAL."""
    state = turn.state
    groups = state.groups.values()
    if not state.up or state.rollout or state.reading or state.wish or state.closing:
        return
    if all(group.fatal for group in groups):
        text = "; ".join(f"group {group.name} is FATAL: {group.fatal}" for group in groups)
        closing.end_by_itself(turn, 5, text)
    elif all(group.exhausted for group in groups):
        fatal = any(group.fatal for group in groups)
        troubles = [slot.trouble for group in groups for slot in group.slots if slot.trouble]
        status = 5 if fatal else 1 if troubles else 0
        closing.end_by_itself(turn, status, "; ".join(troubles))


def _why(state: State, worker: Worker, death: Death) -> str:
    end = death.end
    if worker.by_hand:
        why = "was told to leave by a line in its pipe, or by SIGTERM"
    elif worker.cause:
        why = worker.cause
    elif worker.begun and is_on_trial(state, worker):
        why = f"failed in its first loop ({end.how})"
    elif worker.was_ready:
        why = f"ended with {end.how}"
    else:
        why = f"ended with {end.how} before it was READY"
    why += f", killed by {end.oom}" if end.oom else ""
    return f"{worker.id} {why}" + (f"\n{end.last_words}" if end.last_words else "")
