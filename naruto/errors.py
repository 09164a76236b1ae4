"""What naruto raises for a user to read, each with the exit status of a command that met it.

Only what a caller can act on is an exception here. A dead worker, a failed fork or a
refused reload inside a running master is an event, and never travels as one.
"""

from __future__ import annotations


class NarutoError(Exception):
    """Anything that naruto tells its user in words instead of a traceback.

    Attributes:
        status: The exit status of a command that ends with this error.
    """

    status = 1


class Failed(NarutoError):
    """The service was asked, and it failed: reload refused, a loop killed, too late."""


class SettingsError(NarutoError):
    """A setting, a target or an argument is wrong; nothing was changed."""

    status = 2


class RunDirError(SettingsError):
    """The run directory can't be trusted or can't be written."""


class NotRunning(NarutoError):
    """No such service runs."""

    status = 3


class AlreadyRunning(NarutoError):
    """A service of that name runs already."""

    status = 4


class GaveUp(NarutoError):
    """Every group is FATAL: it has crashed more often than its settings allow."""

    status = 5


def from_status(status: int, text: str) -> NarutoError:
    """Return the error that ends a command with an exit status, as a master has answered it."""
    kinds = (SettingsError, NotRunning, AlreadyRunning, GaveUp)
    return next((kind(text) for kind in kinds if kind.status == status), Failed(text))
