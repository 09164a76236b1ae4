"""The built-in demo: what runs when nothing else was named, so that the first try works."""

from __future__ import annotations

import os
import random
from typing import Any

from .worker import WorkerProcess


class Demo(WorkerProcess):
    """Counts its loops, each a little work, and says so now and then."""

    interval = 1.0
    loops = 0

    def business(self) -> Any:
        """Work a little, rest a second."""
        self.loops += 1
        self.working_on = f"demo loop {self.loops}"
        sum(range(random.randrange(10_000, 100_000)))
        if self.loops in (1, 10) or self.loops % 60 == 0:
            print(f"demo worker {self.index} (pid {os.getpid()}): loop {self.loops}")

    def on_stop(self, reason: str) -> None:
        """Say goodbye."""
        print(f"demo worker {self.index}: {self.loops} loops done, leaving ({reason})")
