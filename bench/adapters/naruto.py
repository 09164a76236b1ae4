"""naruto, and naruto told to replace all workers at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from .base import Adapter, python

if TYPE_CHECKING:
    from ..service import Service

TARGET = "bench.programs.naruto_worker:Looping"


def arguments(size: int, home: str) -> list[str]:
    """Return the arguments of a service that keeps everything in its home."""
    places = ["--run-dir", f"{home}/run", "--log-file", f"{home}/log"]
    return ["start", TARGET, "--workers", str(size), *places, "--start-timeout", "none"]


class Naruto(Adapter):
    """With the settings that it has by default."""

    name = "naruto"
    kind = "naruto"
    distribution = "naruto"
    version_command = ("-m", "naruto", "--version")

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line."""
        return python("naruto", *arguments(size, home))

    def reload(self, service: Service) -> None:
        """Send USR1."""
        os.kill(service.pid, signal.SIGUSR1)

    def messenger(self, service: Service) -> Callable[[], object]:
        """Return what says for a worker that it holds, which nobody has asked of it."""
        run = f"{service.home}/run"
        worker = next(name for name in os.listdir(run) if "." in name and "-0." in name)
        line = f'\nheld {{"worker": "{worker.removesuffix(".pipe")}", "number": 0}}\n'

        def send() -> None:
            fd = os.open(f"{run}/master.pipe", os.O_WRONLY | os.O_NONBLOCK)
            os.write(fd, line.encode())
            os.close(fd)

        return send


class NarutoAtOnce(Naruto):
    """With ``--surge 100%``, which only a reload obeys."""

    name = "naruto --surge 100%"
    distribution = None
    only = frozenset({"reload"})
    version_command = None

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line."""
        return [*super().command(size, home, rest), "--surge", "100%"]
