"""Upkeep: whether what the service has in the file system is still there, and made anew if not.

A cleaner, or a hand, may delete the run directory or a file in it while the service runs.
Nobody tells; so the master looks when it's awake anyway, and only where something changed.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import attrs

from .. import log
from ..core import events
from ..core.ids import WorkerId
from ..errors import RunDirError
from ..unix import pidfile
from .premises import Premises

EVERY = 1.0
"""Seconds between two looks, at least: a reload changes the directory all the time."""


@attrs.define
class Upkeep:
    """Looks after the premises."""

    premises: Premises
    _look_at: float = 0.0
    _seen: tuple[int, ...] = ()

    def look(self, now: float, workers: Collection[WorkerId]) -> list[events.Event]:
        """Make anew what is gone.

        Args:
            now: Seconds on the monotonic clock.
            workers: Those who should have a pipe.

        Returns:
            What the core has to know: somebody else has taken the place, so that this
            master must go; or workers whose pipe is gone, and who are to be replaced by
            ones that have one.
        """
        home = self.premises.rundir
        if now < self._look_at or (seen := home.changes()) == self._seen:
            return []
        self._look_at, self._seen = now + EVERY, seen
        try:
            if not self._hold_the_place():
                by = f"the master that has taken {home.path}"
                return [events.Requested("quit", by=by)]
            self._seen = home.changes()
            names = set(home.names())
        except (OSError, RunDirError) as error:
            log.write("WARNING", f"{home.path} can't be looked after: {error}", "upkeep")
            self._seen = ()  # once more
            return []
        lost = [who for who in workers if f"{who}.pipe" not in names]
        return [events.RecycleAsked(who, "its pipe is gone") for who in lost]

    @property
    def next_alarm(self) -> float:
        """When to look again, as something has changed too soon after the last look."""
        changed = self.premises.rundir.changes() != self._seen
        return self._look_at if changed else math.inf

    def _hold_the_place(self) -> bool:
        """See to directory, lock and pipe; return False where another master holds the lock."""
        premises = self.premises
        if premises.rundir.remade():
            log.write("WARNING", f"{premises.rundir.path} was gone and is made anew")
        if not pidfile.is_at(premises.lock, premises.rundir.file(pidfile.NAME)):
            if not premises.lock_anew():
                return False
            log.write("WARNING", f"{pidfile.NAME} was gone and is made anew")
        if premises.make_pipe_anew():
            log.write("WARNING", "the master's pipe was gone and is made anew")
        return True
