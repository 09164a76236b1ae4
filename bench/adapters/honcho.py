"""honcho: runs a Procfile."""

from __future__ import annotations

import sys
from pathlib import Path

from .base import Adapter, python


class Honcho(Adapter):
    """It executes programs, for development: when one ends, all end."""

    name = "honcho"
    distribution = "honcho"
    lacks = {
        "reload": "honcho has no reload",
        "respawn": "honcho ends all when one ends",
    }
    version_command = ("-m", "honcho", "version")

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line, with a Procfile written."""
        program = f"exec {sys.executable} -m bench.programs.looping"
        path = Path(home, "Procfile")
        path.write_text(f"looping: {program}\n")
        options = ("-f", path, "start", "-c", f"looping={size}")
        return python("honcho", *options)
