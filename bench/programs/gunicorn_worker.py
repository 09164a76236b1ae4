"""The common workload as a worker of gunicorn's arbiter, which serves no request."""

from __future__ import annotations

import select

from gunicorn.workers.base import Worker

from bench.work import Work


class Looping(Worker):
    """Does the work, and tells the arbiter after each loop that it lives."""

    def run(self) -> None:
        """Loop until TERM, for which the base class clears ``alive``."""
        work = Work()
        while self.alive:
            self.notify()
            work.loop()
            if work.rest_seconds:  # a signal ends it, by the pipe that the base class has
                select.select([self.PIPE[0]], [], [], work.rest_seconds)


def application(environ: object, start_response: object) -> list[bytes]:
    """Answer nothing: gunicorn wants an application to load."""
    return []
