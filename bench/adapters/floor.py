"""The floor: a bare fork loop, with what naruto's master imports, and without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..programs import floor, imported
from .base import Adapter
from .naruto import arguments

if TYPE_CHECKING:
    from ..service import Service


class Floor(Adapter):
    """With the same imports as naruto's master."""

    name = "floor"
    kind = "floor"

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line."""
        Path(home, "modules").write_text(modules())
        return [sys.executable, floor.__file__, str(size), f"{home}/modules"]

    def reload(self, service: Service) -> None:
        """Send USR1."""
        os.kill(service.pid, signal.SIGUSR1)


class BareFloor(Floor):
    """Without any import that it doesn't need."""

    name = "bare floor"
    version_command = ("-c", "pass")

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line."""
        return [sys.executable, floor.__file__, str(size)]


@cache
def modules() -> str:
    """Return what naruto's master has imported at its first fork, one module a line."""
    with tempfile.TemporaryDirectory() as home:
        path = f"{home}/modules"
        program = [sys.executable, imported.__file__, path, *arguments(1, home)]
        root = str(Path(__file__).parent.parent.parent)
        subprocess.run(program, cwd=home, env={**os.environ, "PYTHONPATH": root}, check=True)
        return Path(path).read_text()
