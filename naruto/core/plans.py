"""What a reload wants, as frozen data: its plans, how far they are, and who waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import attrs

from .ids import WorkerId
from .policy import Policy


class Stage(Enum):
    """How far a reload has come."""

    CANARY = "canary"  # one new worker of each group has to prove itself
    ROLLING = "rolling"  # the others follow
    UNDOING = "undoing"  # refused: back to what was


@attrs.frozen
class Plan:
    """What a reload means for one group.

    Attributes:
        policy: The one to come into force.
        workers: How many there will be; 0 where the group goes.
        canary: The index of the canary; None where there is none to wait for.
        passed: The canary has proven itself.
        todo: Indexes still to begin with, in order.
        flying: Indexes under way.
        unready: Those of them whose new worker isn't READY yet.
    """

    policy: Policy
    generation: int
    workers: int
    canary: int | None = None
    passed: bool = False
    todo: tuple[int, ...] = ()
    flying: frozenset[int] = frozenset()
    unready: frozenset[int] = frozenset()

    @property
    def all_at_once(self) -> bool:
        """The surge takes all: none is told to leave before all new ones are READY."""
        return self.policy.in_flight >= self.workers

    @property
    def gathering(self) -> bool:
        """Not all that are to be READY together are; indexes to be given up don't count."""
        return bool(self.unready) or any(index < self.workers for index in self.todo)

    def without(self, index: int) -> Plan:
        """The plan when an index is no longer under way."""
        gone = {index}
        return attrs.evolve(self, flying=self.flying - gone, unready=self.unready - gone)


@attrs.frozen
class Rollout:
    """A reload under way.

    Attributes:
        leaving: Workers told to leave, whose end makes room or is waited for.
        refusal: Why it was refused.
    """

    generation: int
    plans: Mapping[str, Plan]
    stage: Stage = Stage.CANARY
    clients: tuple[str, ...] = ()
    leaving: frozenset[WorkerId] = frozenset()
    refusal: str = ""


@attrs.frozen
class Wish:
    """Reloads that were asked for and haven't begun: one will grant them all.

    Attributes:
        asked: Who asked (None: nobody waits), and for which groups (none: for all).
    """

    asked: tuple[tuple[str | None, tuple[str, ...]], ...] = ()

    @property
    def clients(self) -> tuple[str, ...]:
        """Who waits for an answer."""
        return tuple(client for client, _ in self.asked if client is not None)

    @property
    def groups(self) -> tuple[str, ...]:
        """Which groups are meant; none for all."""
        if any(not groups for _, groups in self.asked):
            return ()
        return tuple(dict.fromkeys(name for _, groups in self.asked for name in groups))
