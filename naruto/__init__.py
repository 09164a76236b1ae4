"""naruto: business loops that run for months and are never cut in half.

The public names load when they are first used, so that a command which only asks a
running service something pays for nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        AlreadyRunning,
        Failed,
        GaveUp,
        NarutoError,
        NotRunning,
        RunDirError,
        SettingsError,
    )
    from .manager import Manager
    from .master import MasterProcess
    from .process import Process
    from .worker import WorkerProcess

__version__ = "0.1.0"

_HOME = {
    "Manager": "manager",
    "MasterProcess": "master",
    "Process": "process",
    "WorkerProcess": "worker",
    "AlreadyRunning": "errors",
    "Failed": "errors",
    "GaveUp": "errors",
    "NarutoError": "errors",
    "NotRunning": "errors",
    "RunDirError": "errors",
    "SettingsError": "errors",
}

__all__ = [
    "AlreadyRunning",
    "Failed",
    "GaveUp",
    "Manager",
    "MasterProcess",
    "NarutoError",
    "NotRunning",
    "Process",
    "RunDirError",
    "SettingsError",
    "WorkerProcess",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
