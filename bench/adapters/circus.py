"""circus: a process and socket manager."""

from __future__ import annotations

import sys
from pathlib import Path

from .base import Adapter, python


class Circus(Adapter):
    """It executes programs, and is reloaded by HUP."""

    name = "circus"
    distribution = "circus"
    version_command = ("-m", "circus.circusd", "--version")

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line, with a configuration written."""
        lines = [
            "[circus]",
            f"endpoint = ipc://{home}/control",
            f"pubsub_endpoint = ipc://{home}/events",
            "[watcher:looping]",
            f"cmd = {sys.executable} -m bench.programs.looping",
            f"numprocesses = {size}",
            "copy_env = true",
        ]
        path = Path(home, "circus.ini")
        path.write_text("\n".join(lines))
        return python("circus.circusd", path)
