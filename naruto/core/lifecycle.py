"""The life of one worker as a table: phase and happening give the next phase.

Every rule about what may follow what is in TABLE; ``docs/design.md`` shows the diagram
made from it. What the master does itself must fit, or ImpossibleTransition is raised.
What the kernel or a worker reports may be late, so a report that doesn't fit is a row of
its own that changes nothing.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """What a worker is doing, as far as the master can know."""

    FORKING = "forking"  # asked for, not born yet
    STARTING = "starting"  # born: imports, on_start
    READY = "ready"  # on_start is over, waits for go
    LOOPING = "looping"  # business(), again and again
    HOLDING = "holding"  # told to hold, still in a loop
    HELD = "held"  # rests between two loops
    LEAVING = "leaving"  # told to leave, perhaps still in a loop
    DONE = "done"  # the last loop is over: on_stop, exit
    KILLED = "killed"  # SIGKILL is on its way
    GONE = "gone"  # reaped, or never born


class Happening(Enum):
    """What can happen to a worker."""

    SPAWNED = "spawned"
    SPAWN_FAILED = "spawn failed"
    READY = "ready"
    GO = "go"
    LOOPED = "looped"
    HOLD = "hold"
    HELD = "held"
    LEAVE = "leave"
    DONE = "done"
    KILL = "kill"
    EXITED = "exited"


REPORTS = frozenset(
    {Happening.READY, Happening.LOOPED, Happening.HELD, Happening.DONE, Happening.EXITED}
)
"""What comes from outside, and so may be late or untrue: it never raises."""


class ImpossibleTransition(Exception):
    """The master is about to do what can't follow: a defect of naruto's, never a user's."""


def _table() -> dict[tuple[Phase, Happening], Phase]:
    P, H = Phase, Happening  # noqa: N806 - the table reads as a table
    table = {
        (P.FORKING, H.SPAWNED): P.STARTING,
        (P.FORKING, H.SPAWN_FAILED): P.GONE,
        (P.FORKING, H.LEAVE): P.FORKING,  # its pipe is there before it is
        # A worker told to leave before it is READY ends its on_start and runs no loop.
        (P.STARTING, H.READY): P.READY,
        (P.READY, H.GO): P.LOOPING,
        (P.LOOPING, H.LOOPED): P.LOOPING,
        (P.LOOPING, H.HOLD): P.HOLDING,
        (P.HOLDING, H.HELD): P.HELD,
        (P.HELD, H.GO): P.LOOPING,
        # Reports that crossed with an order to leave.
        (P.LEAVING, H.READY): P.LEAVING,
        (P.LEAVING, H.LOOPED): P.LEAVING,
        (P.LEAVING, H.HELD): P.LEAVING,
        # A stronger order, or the same with a deadline.
        (P.LEAVING, H.LEAVE): P.LEAVING,
        (P.DONE, H.LEAVE): P.DONE,
    }
    alive = [P.STARTING, P.READY, P.LOOPING, P.HOLDING, P.HELD, P.LEAVING, P.DONE, P.KILLED]
    for phase in alive:
        table[phase, H.EXITED] = P.GONE
    for phase in alive[:5]:
        table[phase, H.LEAVE] = P.LEAVING
    for phase in alive[:6]:  # unasked as well: told by hand, or too many errors
        table[phase, H.DONE] = P.DONE
    for phase in alive[:7]:
        table[phase, H.KILL] = P.KILLED
    return table


TABLE = _table()
"""Every transition there is."""


def fits(phase: Phase, happening: Happening) -> bool:
    """Whether the table has a row; a report that doesn't fit is late or untrue."""
    return (phase, happening) in TABLE


def step(phase: Phase, happening: Happening) -> Phase:
    """Return the phase that follows.

    Raises:
        ImpossibleTransition: The table has no such row, and it is no report from outside.
    """
    following = TABLE.get((phase, happening))
    if following is not None:
        return following
    if happening in REPORTS:
        return phase  # late, or written by a stranger's hand: it changes nothing
    raise ImpossibleTransition(
        f"{happening.value!r} can't happen to a worker that is {phase.value}"
    )


def diagram() -> str:
    """Draw the table for ``docs/design.md``, in Mermaid's language."""
    rows = [
        f"    {before.value} --> {after.value}: {happening.value}"
        for (before, happening), after in TABLE.items()
        if before is not after
    ]
    return "\n".join(["stateDiagram-v2", "    [*] --> forking", *rows, "    gone --> [*]"])
