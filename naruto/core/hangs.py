"""Loops that take too long: their stack is logged after slow_loop, after loop_timeout they end.

Nobody says how old a loop is: it's on the scoreboard. So the core asks for a look when the
oldest loop that it knows of would be too old, and never more often.
"""

from __future__ import annotations

import math

import attrs

from .effects import Dump, Look, ShowStack
from .events import LoopsSeen
from .ids import LoopsOf
from .lifecycle import Phase
from .policy import Policy
from .state import Dumped, Worker
from .turn import Turn

GRACE = 0.3
"""Seconds that a worker has to write its stacks down."""

_AT_WORK = (Phase.LOOPING, Phase.HOLDING, Phase.LEAVING)


def look(turn: Turn, key: LoopsOf) -> None:
    """It is time to look at a group's loops."""
    turn.alarm(key, None)
    turn.emit(Look(key.group))


def seen(turn: Turn, event: LoopsSeen) -> None:
    """Judge each loop by its age, and look again when one could have become too old."""
    group = turn.state.groups.get(event.group)
    again = math.inf
    for slot in group.slots if group else ():
        for worker in slot.workers:
            if worker.begun and worker.phase in _AT_WORK:
                again = min(again, _judge(turn, worker, event.began.get(worker.id)))
    if again < math.inf:
        turn.alarm(LoopsOf(event.group), again)


def _judge(turn: Turn, worker: Worker, began: float | None) -> float:
    """See to one worker; return when to look at it again."""
    policy, dumped = worker.policy, worker.dumped
    if dumped is not None and not dumped.done:
        if turn.now < dumped.at + GRACE:
            return dumped.at + GRACE
        dumped = attrs.evolve(dumped, done=True)
        worker = turn.put(attrs.evolve(worker, dumped=dumped))
        if not _conclude(turn, worker, dumped, began, policy):
            return math.inf
    if began is None:
        return turn.now + min(policy.loop_limits, default=math.inf)
    for limit, fatal in ((policy.loop_timeout, True), (policy.slow_loop, False)):
        known = dumped is not None and dumped.loop == began and dumped.fatal >= fatal
        if limit is not None and turn.now >= began + limit and not known:
            turn.emit(Dump(worker.id))
            turn.put(attrs.evolve(worker, dumped=Dumped(began, turn.now, fatal)))
            return turn.now + GRACE
    ahead = [began + limit for limit in policy.loop_limits if began + limit > turn.now]
    return min(ahead, default=turn.now + min(policy.loop_limits, default=math.inf))


def _conclude(
    turn: Turn, worker: Worker, dumped: Dumped, began: float | None, policy: Policy
) -> bool:
    """Show the stacks, or kill; return whether the worker lives on.

    Its loop may have ended while it wrote them: then the next one is not killed for it.
    """
    age = turn.now - dumped.loop
    if not dumped.fatal:
        turn.emit(ShowStack(worker.id, f"{worker.id} has been in a loop for {age:.1f} s"))
    elif began == dumped.loop:
        turn.kill(worker, f"its loop ran longer than loop_timeout ({policy.loop_timeout:g} s)")
        return False
    else:
        turn.emit(ShowStack(worker.id, f"{worker.id} ended a loop just before it was killed"))
    return True
