"""The common workload as a naruto worker."""

from __future__ import annotations

from bench.work import Work
from naruto import WorkerProcess


class Looping(WorkerProcess):
    """Does the work, and rests as it says."""

    def on_start(self) -> None:
        """Open the record."""
        self.work = Work()
        self.interval = self.work.rest_seconds

    def business(self) -> bool | None:
        """Do one loop."""
        self.work.loop()
        return None if self.interval else True
