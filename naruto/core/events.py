"""What can happen to a service, as data: the only thing that makes the core decide.

An event is a fact, named by a past participle. Where a worker sent it, or the kernel, it
may be late; the lifecycle table says what that changes (nothing).
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .deaths import End
from .ids import SlotId, WorkerId
from .policy import Policy


@attrs.frozen
class Started:
    """The master is set up and may spawn.

    Attributes:
        strangers: Slots in which a worker of a master that died is still alive.
    """

    groups: Mapping[str, Policy]
    generation: int
    strangers: frozenset[SlotId] = frozenset()


@attrs.frozen
class Requested:
    """Somebody asked for something, by a message or through a signal.

    Attributes:
        verb: "reload", "quit", "stop", "restart" or "upgrade".
        groups: The groups that are meant; empty for all.
        client: Whom to answer, or None.
        at_once: For stop: kill, don't wait.
        by: Who asked, for the log.
    """

    verb: str
    groups: tuple[str, ...] = ()
    client: str | None = None
    at_once: bool = False
    by: str = "a message"


@attrs.frozen
class Signalled:
    """A signal came to the master.

    Attributes:
        name: Without SIG, as in "TERM".
        by: Who sent it, for the log.
        terminal_gone: The terminal of a foreground service has gone away.
    """

    name: str
    by: str
    terminal_gone: bool = False


@attrs.frozen
class SettingsRead:
    """The settings for a reload are good, and got the number of a new generation."""

    groups: Mapping[str, Policy]
    generation: int


@attrs.frozen
class SettingsRefused:
    """The settings for a reload are bad; the text says where and why."""

    text: str


@attrs.frozen
class Probed:
    """The check before a restart or an upgrade has ended; the text says why it failed."""

    ok: bool
    text: str = ""


@attrs.frozen
class Spawned:
    """A worker was born."""

    worker: WorkerId
    pid: int


@attrs.frozen
class SpawnFailed:
    """There is no worker.

    Attributes:
        error: Why: the kernel would not, or its mould could not.
        by_code: The user's code is to blame, which the mould could not import.
    """

    worker: WorkerId
    error: str
    by_code: bool = False


@attrs.frozen
class BecameReady:
    """A worker's on_start has returned."""

    worker: WorkerId


@attrs.frozen
class FirstLoopEnded:
    """A canary's first loop has ended without an exception."""

    worker: WorkerId


@attrs.frozen
class Held:
    """A worker rests between two loops.

    Attributes:
        number: Of the hold that it obeys: an earlier one may be called off meanwhile.
        longest: The longest loop of its life so far, in seconds.
    """

    worker: WorkerId
    number: int
    longest: float = 0.0


@attrs.frozen
class LastLoopEnded:
    """A worker will not loop again.

    Attributes:
        by_hand: Nobody but a line in its own pipe told it to leave.
    """

    worker: WorkerId
    by_hand: bool = False


@attrs.frozen
class RecycleAsked:
    """A worker asks to be replaced, and says why."""

    worker: WorkerId
    reason: str


@attrs.frozen
class LoopsSeen:
    """The scoreboard was read.

    Attributes:
        began: When the loop began that each worker of the group is in, in seconds on the
            monotonic clock; whoever is in none is left out.
    """

    group: str
    began: Mapping[WorkerId, float]


@attrs.frozen
class Exited:
    """A worker is dead and reaped."""

    worker: WorkerId
    end: End


@attrs.frozen
class StrangerGone:
    """The worker of a dead master, which kept a slot occupied, has ended."""

    slot: SlotId


@attrs.frozen
class TimePassed:
    """An alarm of the state is due."""


Event = (
    Started
    | Requested
    | Signalled
    | SettingsRead
    | SettingsRefused
    | Probed
    | Spawned
    | SpawnFailed
    | BecameReady
    | FirstLoopEnded
    | Held
    | LastLoopEnded
    | RecycleAsked
    | LoopsSeen
    | Exited
    | StrangerGone
    | TimePassed
)
