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
class ReadSettings:
    """Read the settings anew; answer with SettingsRead or SettingsRefused."""


@attrs.frozen
class Probe:
    """Check in a process of its own that the program still starts; answer with Probed."""


@attrs.frozen
class EndProbe:
    """Kill the check: it takes too long, or nobody needs it any more."""


@attrs.frozen
class Answer:
    """Tell a client how its request ended: an exit status, and words."""

    client: str
    status: int
    text: str = ""


@attrs.frozen
class Announce:
    """The service is up for the first time: every worker is READY."""


@attrs.frozen
class Forget:
    """Only these generations are still needed."""

    needed: frozenset[int]


@attrs.frozen
class Log:
    """Write a line into the log."""

    level: str
    text: str


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
    | ReadSettings
    | Probe
    | EndProbe
    | Answer
    | Announce
    | Forget
    | Log
    | Exit
)
