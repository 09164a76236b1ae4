"""The end of a service: quit, stop, stop at once, restart, and a start that failed.

Whatever else goes on is called off; every worker is told, and the master ends when the
last one is reaped. Stronger wins: stop over quit, and an end over coming back.
"""

from __future__ import annotations

import attrs

from .deaths import Death
from .effects import Answer, EndProbe, Exit
from .events import Requested
from .ids import LoopsOf, WorkerId
from .lifecycle import Phase
from .messages import LEAVE
from .state import Closing
from .turn import Turn

MOST_NAMED = 20
"""How many killed workers an answer names; the log has them all."""


def requested(turn: Turn, event: Requested) -> None:
    """Quit or stop was asked for."""
    before = turn.state.closing
    if before is None or before.verb != event.verb or event.at_once or event.client:
        what = "stop --now" if event.at_once else event.verb
        turn.log("info", f"{what} asked for by {event.by}")
    clients = (event.client,) if event.client else ()
    close(turn, event.verb, clients)
    closing = turn.state.closing
    assert closing is not None
    if closing.again:
        disappoint(turn, closing.returning, "the service was told to end instead")
        turn.change(closing=attrs.evolve(closing, again=False, returning=()))
    if event.at_once:
        _kill_all(turn)
    end_if_empty(turn)


def close(turn: Turn, verb: str, clients: tuple[str, ...] = ()) -> None:
    """Begin the end, or make one that has begun as strong as ``verb``."""
    closing = turn.state.closing
    if closing is None:
        _call_off(turn, f"the service was told to {verb}")
        closing = Closing(verb)
    verb = max(verb, closing.verb, key=LEAVE.index)
    turn.change(closing=attrs.evolve(closing, verb=verb, clients=closing.clients + clients))
    for worker in turn.state.workers():
        turn.order(worker, verb, worker.policy.stop_timeout if verb == "stop" else None)


def _call_off(turn: Turn, why: str) -> None:
    state = turn.state
    for pending in (state.rollout, state.wish, state.reading):
        if pending is not None:
            disappoint(turn, pending.clients, f"reload called off: {why}")
    if state.check is not None:
        turn.emit(EndProbe())
        disappoint(turn, state.check.clients, f"{state.check.verb} called off: {why}")
    kept = (WorkerId, LoopsOf)
    alarms = {key: at for key, at in state.alarms.items() if isinstance(key, kept)}
    turn.change(rollout=None, wish=None, reading=None, check=None, vacant={}, alarms=alarms)


def disappoint(turn: Turn, clients: tuple[str, ...], text: str) -> None:
    """Tell clients that it has failed, and why."""
    for client in clients:
        turn.emit(Answer(client, 1, text))


def _kill_all(turn: Turn) -> None:
    for worker in turn.state.workers():
        if worker.phase is Phase.FORKING:
            turn.put(attrs.evolve(worker, doomed="stop --now"))
        elif worker.phase is not Phase.KILLED:
            turn.kill(worker, "stop --now")


def fail_start(turn: Turn, text: str, last_words: str = "") -> None:
    """A worker died before the service was ever up: a start is all at once."""
    turn.log("error", f"start failed: {text}")
    _close_with(turn, "stop", 1, f"{text}\n{last_words}".rstrip())


def end_by_itself(turn: Turn, status: int, text: str) -> None:
    """Nothing will ever run again here: the master has nothing left to do."""
    level = "critical" if status else "info"
    turn.log(level, "nothing is left to run: the service ends" + (f": {text}" if text else ""))
    _close_with(turn, "quit", status, text)
    end_if_empty(turn)


def _close_with(turn: Turn, verb: str, status: int, text: str) -> None:
    close(turn, verb)
    assert turn.state.closing is not None
    turn.change(closing=attrs.evolve(turn.state.closing, status=status, text=text))


def after_end(turn: Turn, death: Death) -> None:
    """A worker has ended during the end: note whether a loop was cut."""
    closing = turn.state.closing
    assert closing is not None
    if death.end.doing and death.killed:
        cut = (*closing.cut, f"{death.worker} (pid {death.pid}) {death.end.doing}")
        turn.change(closing=attrs.evolve(closing, cut=cut))
    end_if_empty(turn)


def end_if_empty(turn: Turn) -> None:
    """Exit when every worker is reaped."""
    closing = turn.state.closing
    if closing is None or turn.state.population or turn.state.over:
        return
    text = closing.text
    if closing.cut:
        more = len(closing.cut) - MOST_NAMED
        text = "killed: " + "; ".join(closing.cut[:MOST_NAMED])
        text += f"; and {more} more, see the log" if more > 0 else ""
    status = closing.status or (1 if closing.cut else 0)
    for client in closing.clients:
        turn.emit(Answer(client, status, text))
    turn.change(over=True, alarms={})
    turn.emit(Exit(status, text, closing.again, closing.returning))


def begin_anew(turn: Turn, clients: tuple[str, ...]) -> None:
    """Stop, and run the same command line again; it will answer the clients."""
    close(turn, "stop")
    assert turn.state.closing is not None
    turn.change(closing=attrs.evolve(turn.state.closing, again=True, returning=clients))
    end_if_empty(turn)


def refuse_while_closing(turn: Turn, event: Requested) -> None:
    """A reload, a restart or an upgrade comes too late."""
    if event.client and turn.state.closing:
        verb = turn.state.closing.verb
        turn.emit(Answer(event.client, 1, f"too late: the service was told to {verb}"))
