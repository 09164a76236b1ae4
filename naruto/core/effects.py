"""What is to be done, as data: the core decides it, the master performs it, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .ids import WorkerId


@attrs.frozen
class Spawn:
    """Make the worker's pipe and fork it; answer with Spawned or SpawnFailed."""

    worker: WorkerId
    generation: int


@attrs.frozen
class Tell:
    """Put a message into a worker's pipe."""

    worker: WorkerId
    verb: str
    args: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Kill:
    """Send SIGKILL to a worker."""

    worker: WorkerId


@attrs.frozen
class Look:
    """Read on the scoreboard who is in which loop; answer with LoopsSeen."""

    group: str


@attrs.frozen
class Dump:
    """Ask a worker for the stacks of its threads, whatever it is stuck in."""

    worker: WorkerId


@attrs.frozen
class ShowStack:
    """Log the stacks that a worker was asked for, and let it go on.

    Attributes:
        why: What is to be said above them.
    """

    worker: WorkerId
    why: str


@attrs.frozen
class ReadSettings:
    """Read the settings anew; answer with SettingsRead or SettingsRefused."""


@attrs.frozen
class Probe:
    """Check in a process of its own that the program still starts; answer with Probed.

    Attributes:
        verb: What for: "restart" or "upgrade".
    """

    verb: str = "restart"


@attrs.frozen
class EndProbe:
    """Kill the check: it takes too long, or nobody needs it any more."""


@attrs.frozen
class Upgrade:
    """Exec the program of today, which goes on with everything and answers the clients."""

    clients: tuple[str, ...] = ()


@attrs.frozen
class Answer:
    """Tell a client how its request ended: an exit status, and words."""

    client: str
    status: int
    text: str = ""


@attrs.frozen
class Announce:
    """The service is up for the first time: all these workers are READY."""

    workers: int


@attrs.frozen
class Forget:
    """Only these generations are still needed."""

    needed: frozenset[int]


@attrs.frozen
class Log:
    """Write a line into the log.

    Attributes:
        cause: What other lines may be about as well: it's said once a minute.
    """

    level: str
    text: str
    cause: str = ""


@attrs.frozen
class Exit:
    """End the master; all workers are reaped.

    Attributes:
        status: The master's exit status.
        text: Why, where it isn't 0.
        again: Exec the same command line instead of ending.
        clients: Who waits for the new image, where again is set.
    """

    status: int
    text: str = ""
    again: bool = False
    clients: tuple[str, ...] = ()


Effect = (
    Spawn
    | Tell
    | Kill
    | Look
    | Dump
    | ShowStack
    | ReadSettings
    | Probe
    | EndProbe
    | Upgrade
    | Answer
    | Announce
    | Forget
    | Log
    | Exit
)
