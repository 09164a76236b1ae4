"""All that a master knows of its service, as frozen data.

What is wanted (policies, rollouts, orders) and what is (phases) are separate fields.
Nothing here decides; the few properties only say in one word what several fields mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from .deaths import Death
from .ids import LoopsOf, SlotId, WorkerId
from .lifecycle import Phase
from .plans import Rollout, Wish
from .policy import Policy

Key = WorkerId | SlotId | LoopsOf | str
"""What an alarm is for: a worker's next deadline, a slot's next try, the age of a group's
loops, or "probe"."""


@attrs.frozen
class Order:
    """What a worker was told to leave for."""

    verb: str
    deadline: float | None = None


@attrs.frozen
class Dumped:
    """The stacks that a worker was asked for because its loop takes long.

    Attributes:
        loop: When that loop began.
        at: When it was asked.
        fatal: It will be killed for it.
        done: What was to follow has followed.
    """

    loop: float
    at: float
    fatal: bool
    done: bool = False


@attrs.frozen
class Worker:
    """One process, from the wish for it to its end.

    Attributes:
        policy: What the settings that it was spawned under want of its group.
        order: What it was told to leave for.
        begun: It was told to begin looping, so it may be in business().
        finished: It has said that its last loop is over.
        by_hand: It leaves because of a line in its own pipe.
        longest: The longest loop known, in seconds.
        ready_by, loop_by, exit_by: Until when it must be READY, have ended its first loop
            as a canary, have ended after its last loop.
        cause: Why the master killed it.
        doomed: Why it's to be killed as soon as it is born.
        recycle: When it has asked to be replaced, and why.
    """

    id: WorkerId
    generation: int
    born: float
    policy: Policy
    phase: Phase = Phase.FORKING
    pid: int = 0
    order: Order | None = None
    was_ready: bool = False
    begun: bool = False
    finished: bool = False
    by_hand: bool = False
    holds: int = 0
    longest: float = 0.0
    ready_by: float | None = None
    loop_by: float | None = None
    exit_by: float | None = None
    cause: str = ""
    doomed: str = ""
    recycle: tuple[float, str] | None = None
    dumped: Dumped | None = None

    @property
    def occupies(self) -> bool:
        """It may be in business(): no other worker of its index may begin."""
        return self.begun and not self.finished and self.phase is not Phase.HELD

    @property
    def stays(self) -> bool:
        """Nobody told it to leave, and it doesn't leave by itself."""
        return self.order is None and self.phase not in (Phase.DONE, Phase.KILLED)

    @property
    def alarm(self) -> float | None:
        """When the master must look at it again."""
        if self.phase in (Phase.FORKING, Phase.KILLED):
            return None
        leave_by = self.order.deadline if self.order else None
        times = (self.ready_by, self.loop_by, leave_by, self.exit_by)
        return min((t for t in times if t is not None), default=None)


@attrs.frozen
class Slot:
    """A place for one worker, and two while one hands over to the next.

    Attributes:
        workers: Oldest first.
        failures: Short lives in a row.
        trouble: The end that was no good, in words, until a worker has lived well again.
        finished: The generation whose worker has ended here, and whose restart policy wants
            no other; 0 for none.
    """

    workers: tuple[Worker, ...] = ()
    failures: int = 0
    trouble: str = ""
    finished: int = 0


@attrs.frozen
class Group:
    """Workers of one target.

    Attributes:
        generation: The one that counts: of the last reload that was completed. 0 for a
            group that only a reload under way knows.
        recycling: Indexes whose worker has been granted a replacement.
        restarts: When it was that workers had to be started again, within restart_window.
        fatal: Why no worker is started any more; empty where they are.
        deaths: The last records, oldest first.
        ends: How many ended how, of all that ever did.
    """

    name: str
    policy: Policy
    generation: int
    slots: tuple[Slot, ...] = ()
    recycling: frozenset[int] = frozenset()
    restarts: tuple[float, ...] = ()
    fatal: str = ""
    deaths: tuple[Death, ...] = ()
    ends: Mapping[str, int] = attrs.field(factory=dict)

    @property
    def serving(self) -> bool:
        """It has code of which workers may be started."""
        return self.generation > 0 and not self.fatal

    def failing(self, now: float) -> list[int]:
        """Return the indexes at which no worker has lived long enough since one failed."""
        return [
            index
            for index, slot in enumerate(self.slots)
            if not self.fatal
            and slot.failures
            and not any(self._lives_well(w, now) for w in slot.workers)
        ]

    def _lives_well(self, worker: Worker, now: float) -> bool:
        return worker.was_ready and now - worker.born >= self.policy.min_uptime

    @property
    def exhausted(self) -> bool:
        """It has nobody at work, and will have nobody without a reload."""
        return all(
            not slot.workers and (self.fatal or slot.finished == self.generation)
            for slot in self.slots
        )


@attrs.frozen
class Closing:
    """The end of the service under way.

    Attributes:
        verb: "quit" or "stop".
        cut: Who was killed in a loop, each in words.
        again: Run the same command line again afterwards.
        returning: Clients that the new image will answer.
    """

    verb: str
    clients: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    status: int = 0
    text: str = ""
    again: bool = False
    returning: tuple[str, ...] = ()


@attrs.frozen
class Check:
    """A check whether the program still starts.

    Attributes:
        verb: What it is for: "restart" or "upgrade".
        clients: Who has asked for that.
    """

    verb: str
    clients: tuple[str, ...] = ()


@attrs.frozen
class State:
    """The whole service.

    Attributes:
        up: Every worker was READY once.
        over: The master was told to exit.
        alarms: When to look again, and at what. Empty while nothing is pending, so that
            an idle master sleeps for ever.
        vacant: Slots to be filled, each with the generation to fill it with.
        strangers: Places, in use or not, in which a worker of a dead master still works.
        forking: Workers asked for and not yet born.
        unready: Workers that the start still waits for.
        population: Workers that are alive, or asked for.
        wish: The reload that runs next.
        reading: The reload whose settings are being read.
        check: The check before a restart or an upgrade that is under way.
        interrupted: When INT came first.
    """

    groups: Mapping[str, Group] = attrs.field(factory=dict)
    next_serial: int = 1
    up: bool = False
    over: bool = False
    alarms: Mapping[Key, float] = attrs.field(factory=dict)
    vacant: Mapping[SlotId, int] = attrs.field(factory=dict)
    strangers: frozenset[SlotId] = frozenset()
    forking: int = 0
    unready: int = 0
    population: int = 0
    rollout: Rollout | None = None
    wish: Wish | None = None
    reading: Wish | None = None
    check: Check | None = None
    closing: Closing | None = None
    interrupted: float | None = None

    @property
    def next_alarm(self) -> float:
        """When time itself is the next event; infinity where nothing is pending."""
        return min(self.alarms.values(), default=math.inf)

    def slot(self, where: SlotId) -> Slot | None:
        """The slot of that name, if there is one."""
        group = self.groups.get(where.group)
        if group is None or not 0 <= where.index < len(group.slots):
            return None
        return group.slots[where.index]

    def occupied(self, where: SlotId) -> bool:
        """Somebody may be in business() with this index."""
        slot = self.slot(where)
        ours = slot is not None and any(worker.occupies for worker in slot.workers)
        return ours or where in self.strangers

    def worker(self, who: WorkerId) -> Worker | None:
        """The worker of that name, if it's alive."""
        slot = self.slot(who.slot)
        return next((w for w in slot.workers if w.id == who), None) if slot else None

    def workers(self) -> list[Worker]:
        """Every worker, group by group, index by index, oldest first."""
        return [w for g in self.groups.values() for slot in g.slots for w in slot.workers]
