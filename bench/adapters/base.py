"""An adapter: how one program is started, reloaded and stopped, and what it can't do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ..service import Service


class Adapter:
    """One program that keeps workers.

    Attributes:
        name: What it is called in the tables.
        kind: "naruto", "floor", "peer" (a supervisor of processes, as it comes),
            "tuned peer", or "pool".
        distribution: The package whose version is shown; None for what comes with Python.
        only: The measures that it takes part in; None for all.
        lacks: Measures that it does not do, each with the reason.
        version_command: What shows how long it takes to import.
    """

    name: ClassVar[str]
    kind: ClassVar[str] = "peer"
    distribution: ClassVar[str | None] = None
    only: ClassVar[frozenset[str] | None] = None
    lacks: ClassVar[Mapping[str, str]] = {}
    version_command: ClassVar[tuple[str, ...] | None] = None

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line of a master in the foreground; write what it reads.

        Args:
            size: How many workers.
            home: A directory for whatever it needs.
            rest: Seconds that each worker will rest after a loop.
        """
        raise NotImplementedError

    def reload(self, service: Service) -> None:
        """Ask for new workers in the place of all that there are."""
        os.kill(service.pid, signal.SIGHUP)

    def stop(self, service: Service) -> None:
        """Ask for the end."""
        os.kill(service.pid, signal.SIGTERM)

    def messenger(self, service: Service) -> Callable[[], object]:
        """Return what lets the master read one message that changes nothing."""
        raise NotImplementedError


def python(module: str, *arguments: object) -> list[str]:
    """Return the command line that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]
