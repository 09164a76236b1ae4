"""Succession: everything that a master has, gathered for the next program, or taken over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from .. import __version__, log
from ..core import events
from ..core.state import State
from .crew import Crew
from .ear import Ear
from .generations import Generations
from .premises import Premises
from .replies import Replies
from .strays import Strays

if TYPE_CHECKING:
    from .handover import Handover


@attrs.define
class Succession:
    """The parts of a master that outlive an upgrade.

    Attributes:
        parent: A descriptor that tells of the end of whom to end with, if any.
    """

    premises: Premises
    generations: Generations
    crew: Crew
    strays: Strays
    replies: Replies
    descriptors: tuple[int, int]
    started_in: str
    parent: tuple[int, ...]

    def gather(
        self,
        state: State,
        inbox: Iterable[events.Event],
        ears: Iterable[Ear],
        clients: tuple[str, ...],
    ) -> Handover:
        """Gather what the next program goes on with.

        Args:
            state: What is known.
            inbox: What has happened and was not decided about.
            ears: Who has half a line.
            clients: Who waits for the end of the upgrade.
        """
        from .handover import Handover  # only an upgrade needs it

        premises, (kept, last) = self.premises, self.generations.handed
        return Handover(
            version=__version__,
            state=state,
            inbox=tuple(inbox),
            settings=self.generations.settings,
            generations=kept,
            last_generation=last,
            lock=premises.lock,
            inlets=tuple(premises.inlets),
            ears=tuple(ear.lines for ear in ears),
            to_master=premises.to_master,
            lifeline=(premises.lifeline.held, premises.lifeline.watched),
            segments=tuple(premises.board.descriptors),
            strangers=premises.strangers,
            members=self.crew.handed(),
            moulds=self.crew.moulds.handed(),
            strays=self.strays.handed,
            inherited=self.strays.inherited,
            unclaimed=self.crew.unclaimed,
            replies=self.replies.handed(),
            clients=clients,
            descriptors=self.descriptors,
            started_in=self.started_in,
            parent=self.parent,
        )

    def take_over(self, handed: Handover) -> None:
        """Go on with workers, moulds and answers where the program before has left them."""
        text = f"upgraded from naruto {handed.version} to {__version__}"
        log.write("INFO", f"the master goes on, {text}")
        self.crew.take_over(handed.members)
        self.crew.moulds.take_over(handed.moulds, self.crew.members)
        self.crew.unclaimed.update(handed.unclaimed)
        self.strays.take_over(handed.inherited, handed.strays)
        self.replies.take_over(handed.replies)
        for client in handed.clients:
            self.replies.send(client, {"status": 0, "text": text, "embedded": False})
