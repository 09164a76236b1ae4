"""The undertaker: learns which children have ended, buries each, and sees to what they left.

A child's end is known by the kernel's word alone, and where the kernel's word was given to
somebody else, by the child's being ours no more.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..core import events
from ..unix import children
from .crew import Crew
from .probe import Probe
from .strays import Strays, ask_leftovers


@attrs.define
class Undertaker:
    """Reaps for the master.

    Attributes:
        embedded: The program may have children of its own, which are none of our business.
        bury: Called with each one that was reaped; what it raises, it sees to itself.
        hear: Called before that: what the dead have said comes before their death.
    """

    crew: Crew
    probe: Probe
    strays: Strays
    embedded: bool
    bury: Callable[[children.Ended], None]
    hear: Callable[[], None]

    def reap(self) -> None:
        """Reap whoever has ended, and see who was stopped; or else who was reaped elsewhere."""
        if self.embedded:
            ended = list(children.reap_these(sorted(self._ours()), self._about_to_reap))
        else:
            ended = list(children.reap_all(self._about_to_reap))
        self.crew.note_stops(only_ours=self.embedded)
        if not ended:
            ended = list(children.lost(self._ours()))
        self.hear()
        for one in ended:
            self.bury(one)
        ours = self._ours()
        self.crew.moulds.kill_half_born(ours)
        self.strays.gather(ours, self.crew.members)

    def leftovers(self) -> None:
        """See to what workers of a master that crashed have left behind."""
        premises = self.crew.premises
        living = {*premises.strangers.values(), *self.crew.members}
        ask_leftovers(premises.rundir.path, living)

    def sweep(self) -> None:
        """Compare whom we know with whom the kernel knows to be ours."""
        for one in list(children.lost(self._ours())):
            self.bury(one)

    def event(self, ended: children.Ended) -> events.Event | None:
        """Return what an end means for the service; None where it was nobody of it."""
        if self.strays.buried(ended.pid) or self.crew.moulds.bury(ended):
            return None
        return self.probe.bury(ended) or self.crew.bury(ended)

    @property
    def busy(self) -> bool:
        """Somebody has been told to end, and has not yet."""
        return bool(self.strays or self.crew.moulds.pids)

    def last(self) -> None:
        """Ask all that is left of the service to end: every worker is reaped."""
        self.strays.gather_all(self._ours())

    def _ours(self) -> set[int]:
        probe = [self.probe.pid] if self.probe.pid else []
        return {*self.crew.pids, *self.crew.moulds.pids, *probe}

    def _about_to_reap(self, pid: int) -> None:
        if pid in self.crew.pids:
            self.strays.left_by(pid)
