"""The nursery: what a newborn worker is given, and what of the master's it has to close."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from ..settings import Settings
from ..sink import LogTo
from ..unix.wakeup import Wakeup
from ..work.birth import Cradle
from .child import Child
from .generations import Generations
from .premises import Premises


@attrs.define
class Nursery:
    """Makes a cradle for each worker, just before it is forked.

    Attributes:
        started_in: The real path of where the master was started.
        descriptors: The limits of descriptors that workers go back to.
        embedded: The master runs in a program that goes on afterwards.
        log_for: Says where the log goes, by settings.
        open_now: Returns the descriptors that are the master's alone just now.
    """

    service: str
    started_in: str
    descriptors: tuple[int, int]
    embedded: bool
    premises: Premises
    generations: Generations
    wakeup: Wakeup
    log_for: Callable[[Settings], LogTo]
    open_now: Callable[[], Iterable[int]]

    def cradle(self, child: Child) -> Cradle:
        """Return what a worker is given."""
        generation = self.generations.of(child.generation)
        premises = self.premises
        return Cradle(
            service=self.service,
            group=generation.group(child.id.group),
            directory=generation.directories[child.id.group],
            started_in=self.started_in,
            to_master=premises.to_master,
            lifeline=premises.lifeline.watched,
            ignored=self.wakeup.ignored,
            descriptors=self.descriptors,
            board=premises.board,
            log_to=self.log_for(generation.settings),
            adopts=not self.embedded,
        )

    def foreign(self) -> list[int]:
        """Return the descriptors that are the master's just now, and no newborn may keep."""
        return [*self.premises.masters_own, *self.wakeup.descriptors, *self.open_now()]
