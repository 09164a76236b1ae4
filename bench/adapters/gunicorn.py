"""gunicorn: its arbiter, with a class of workers that loops instead of serving."""

from __future__ import annotations

from .base import Adapter, python

WORKER = "bench.programs.gunicorn_worker"


class Gunicorn(Adapter):
    """It forks, and gives its workers a heartbeat."""

    name = "gunicorn"
    distribution = "gunicorn"
    version_command = ("-m", "gunicorn", "--version")

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line; without a heartbeat where workers rest for long."""
        timeout = 0 if rest else 30
        options = ("--workers", size, "--worker-class", f"{WORKER}.Looping")
        place = ("--bind", f"unix:{home}/socket", "--timeout", timeout)
        return python("gunicorn", *options, *place, f"{WORKER}:application")
