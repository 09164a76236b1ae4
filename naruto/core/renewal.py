"""Renewal of the program itself: a restart or an upgrade, each only after a check.

A restart ends every worker and begins anew; an upgrade goes on with all of them, as the
program of today, under the same pid.
"""

from __future__ import annotations

import attrs

from .closing import begin_anew, disappoint
from .effects import EndProbe, Probe, Upgrade
from .events import Probed, Requested
from .state import Check
from .turn import Turn

PROBE = "probe"
"""The key of the alarm for a check that doesn't end."""
PROBE_TIMEOUT = 30.0
"""Seconds that the check may take."""


def requested(turn: Turn, event: Requested) -> None:
    """Restart or upgrade was asked for: first see whether the program still starts."""
    turn.log("info", f"{event.verb} asked for by {event.by}")
    clients = (event.client,) if event.client else ()
    check = turn.state.check
    if event.verb == "upgrade" and not turn.state.up:
        disappoint(turn, clients, "too early: the service is not up yet")
    elif check is None:
        turn.emit(Probe(event.verb))
        turn.alarm(PROBE, turn.now + PROBE_TIMEOUT)
        turn.change(check=Check(event.verb, clients))
    elif check.verb != event.verb:
        disappoint(turn, clients, f"too early: a check for {check.verb} is under way")
    else:
        turn.change(check=attrs.evolve(check, clients=check.clients + clients))


def probe_is_late(turn: Turn) -> None:
    """The check doesn't end: that is an answer, too."""
    turn.log("warning", f"the check has not ended within {PROBE_TIMEOUT:g} s and is killed")
    turn.alarm(PROBE, None)
    turn.emit(EndProbe())


def probed(turn: Turn, event: Probed) -> None:
    """The check has ended."""
    check = turn.state.check
    if check is None:  # called off meanwhile
        return
    turn.change(check=None)
    turn.alarm(PROBE, None)
    if not event.ok:
        text = f"{check.verb} refused: the program does not start any more: {event.text}"
        turn.log("error", text)
        disappoint(turn, check.clients, text)
    elif check.verb == "upgrade":
        turn.log("info", "the check has passed: the service goes on as the new program")
        turn.emit(Upgrade(check.clients))
    else:
        turn.log("info", "the check has passed: the service stops, and starts again")
        begin_anew(turn, check.clients)
