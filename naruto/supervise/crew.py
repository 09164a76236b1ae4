"""The crew: every worker that is alive, to be spawned, told, killed and buried by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import attrs

from .. import log
from ..core import events
from ..core.deaths import End
from ..core.ids import WorkerId
from ..core.messages import Message, printable
from ..sink import EACH
from ..unix import children, lastwords, stacks
from ..unix.fifo import Outbox
from ..unix.scoreboard import Doing
from ..work import birth
from ..work.birth import Cradle
from ..work.tracebacks import without_ours
from .child import Child
from .moulds import Moulds
from .nursery import Nursery
from .premises import Premises
from .watch import WRITABLE, Watch

if TYPE_CHECKING:
    from .handover import Member


@attrs.define
class Crew:
    """The master's children, by id and by pid.

    Attributes:
        nursery: Knows what a newborn is given, and what it must close.
        watch: Waits for pipes that are full.
        moulds: Fork the workers of groups that are preloaded.
        members: Whoever is alive, or was asked for; pid 0 until it's born.
        descriptors: What of theirs no other worker may keep.
        due: Those whom nobody has forked yet.
        unclaimed: Deaths of whom nobody knows, while a mould has yet to tell of births.
    """

    premises: Premises
    nursery: Nursery
    watch: Watch
    moulds: Moulds
    members: dict[WorkerId, Child] = attrs.field(factory=dict)
    pids: dict[int, WorkerId] = attrs.field(factory=dict)
    descriptors: set[int] = attrs.field(factory=set)
    due: list[tuple[Child, Cradle]] = attrs.field(factory=list)
    unclaimed: dict[int, children.Ended] = attrs.field(factory=dict)

    def handed(self) -> tuple[Member, ...]:
        """Return what the next program has to know of each."""
        from .handover import Member  # only an upgrade needs it

        place_of = self.premises.board.place_of
        return tuple(
            Member(
                id=child.id,
                generation=child.generation,
                pid=child.pid,
                inbox=child.outbox.fd,
                waiting=child.outbox.waiting,
                last_words=child.last_words,
                place=place_of(child.line),
                killed=child.killed,
                stopped=child.stopped,
                stack_from=child.stack_from,
                early=tuple(child.early),
            )
            for child in self.members.values()
        )

    def take_over(self, members: Iterable[Member]) -> None:
        """Go on with those whom this process had before an upgrade."""
        for m in members:
            child = Child(
                id=m.id,
                generation=m.generation,
                rundir=self.premises.rundir,
                outbox=Outbox(m.inbox, deque(m.waiting)),
                line=self.premises.board.line_of(m.place),
                last_words=m.last_words,
                pid=m.pid,
                killed=m.killed,
                stopped=m.stopped,
                stack_from=m.stack_from,
                early=list(m.early),
            )
            self.members[child.id] = child
            self.descriptors.update(child.descriptors)
            if child.pid:
                self.pids[child.pid] = child.id
            if child.outbox.blocked:
                self.watch.add(child.outbox.fd, WRITABLE, partial(self.flush, child))

    def spawn(self, who: WorkerId, generation: int) -> events.SpawnFailed | None:
        """Make a worker's pipe and open it; let a mould fork it, or `fork_due`.

        Returns:
            That there will be none; else what comes of it is told later.
        """
        home, board = self.premises.rundir, self.premises.board
        try:
            child = Child.prepare(who, generation, home, board)
        except OSError as error:
            return events.SpawnFailed(who, f"{error.strerror}")
        self.members[who] = child
        self.descriptors.update(child.descriptors)
        cradle = self.nursery.cradle(child)
        if not cradle.group.preload:
            self.due.append((child, cradle))
            return None
        try:
            self.moulds.spawn(child, cradle, self._foreign())
        except OSError as error:
            return self.unborn(child, f"fork: {error.strerror}")
        return None

    def fork_due(self) -> list[events.Event]:
        """Fork whoever is due; return what has come of it."""
        due, self.due = self.due, []
        if not due:
            return []
        _flush()
        foreign = self._foreign()
        born = children.fork_each([partial(birth.live, *given, foreign) for given in due])
        return [self._forked(child, pid) for (child, _), pid in zip(due, born, strict=True)]

    def _foreign(self) -> frozenset[int]:
        return frozenset(self.descriptors).union(self.nursery.foreign())

    def _forked(self, child: Child, pid: int | Exception) -> events.Event:
        if isinstance(pid, int):
            return self.born(child, pid)
        return self.unborn(child, f"fork: {getattr(pid, 'strerror', repr(pid))}")

    def holds_back(self, message: Message) -> bool:
        """Keep what a worker says of whose birth its mould has not told yet.

        They speak through different channels; the core shall not hear of the READY of one
        that isn't born.
        """
        who = WorkerId.parse(str(message.args.get("worker", "")))
        child = self.members.get(who) if who is not None else None
        if child is None or child.pid:
            return False
        child.early.append(message)
        return True

    def born(self, child: Child, pid: int) -> events.Spawned:
        """Know a worker by its pid from now on."""
        child.pid, self.pids[pid] = pid, child.id
        return events.Spawned(child.id, pid)

    def unborn(self, child: Child, error: str, by_code: bool = False) -> events.SpawnFailed:
        """Clear away what was made for a worker that there won't be."""
        self.members.pop(child.id, None)
        self.descriptors.difference_update(child.descriptors)
        if child.outbox.blocked:
            self.watch.drop(child.outbox.fd)
        child.bury(self.premises.board)
        return events.SpawnFailed(child.id, error, by_code)

    def tell(self, who: WorkerId, verb: str, args: object) -> None:
        """Put a message into a worker's pipe; if it's full, send it when it drains."""
        child = self.members.get(who)
        if child is None:
            return  # dead meanwhile: its end is on its way to be decided
        was_blocked = child.outbox.blocked
        child.tell(verb, args)
        if child.stopped:  # as systemd does: who was stopped shall read what it's told
            os.kill(child.pid, signal.SIGCONT)
        if child.outbox.blocked and not was_blocked:
            self.watch.add(child.outbox.fd, WRITABLE, partial(self.flush, child))

    def flush(self, child: Child) -> None:
        """Send what waits for a pipe to drain."""
        child.outbox.flush()
        if not child.outbox.blocked:
            self.watch.drop(child.outbox.fd)

    def kill(self, who: WorkerId) -> None:
        """Send SIGKILL; a child that isn't reaped yet keeps its pid."""
        child = self.members.get(who)
        if child is not None and child.pid:
            child.killed = True
            os.kill(child.pid, signal.SIGKILL)

    def dump(self, who: WorkerId) -> None:
        """Ask a worker for its stacks: it writes them into its last words."""
        child = self.members.get(who)
        if child is not None:
            child.stack_from = lastwords.size(child.last_words)
            stacks.ask(child.pid)

    def show_stack(self, who: WorkerId, why: str) -> None:
        """Log the stacks that a worker was asked for."""
        child = self.members.get(who)
        if child is not None:
            text = without_ours(lastwords.take_back(child.last_words, child.stack_from))
            state = "it is stopped by a signal" if child.stopped else "it has written no stack"
            log.write("WARNING", f"{why}:\n{text or state}", EACH)

    def loops(self, group: str) -> events.LoopsSeen:
        """Read on the scoreboard who of a group is in which loop."""
        read = {who: c.line.loop_began() for who, c in self.members.items() if who[0] == group}
        began = {who: at for who, at in read.items() if at is not None}
        return events.LoopsSeen(group, began)

    def note_stops(self, *, only_ours: bool) -> None:
        """Learn who was stopped or continued by a signal: a stopped worker is not dead."""
        for pid, stopped in children.stopped(list(self.pids) if only_ours else None):
            who = self.pids.get(pid)
            if who is None:
                continue  # a mould, or a stray
            self.members[who].stopped = stopped
            what = "was stopped by a signal; it is not dead" if stopped else "was continued"
            log.write("WARNING" if stopped else "INFO", f"{who} (pid {pid}) {what}")

    def bury(self, ended: children.Ended) -> events.Exited | None:
        """Clear away a worker that was reaped; None if it was no worker."""
        who = self.pids.pop(ended.pid, None)
        if who is None:
            if not self.moulds.owes_answers:
                self.unclaimed.clear()
            else:  # its mould may only be about to tell of its birth
                self.unclaimed[ended.pid] = ended
            return None
        child = self.members.pop(who)
        self.descriptors.difference_update(child.descriptors)
        if child.outbox.blocked:
            self.watch.drop(child.outbox.fd)
        end = self._end(child, ended)
        try:
            end = attrs.evolve(end, last_words=without_ours(child.bury(self.premises.board)))
        except OSError as error:  # it is dead all the same, and must be known to be
            log.write("WARNING", f"what {who} has left could not be cleared: {error}")
        return events.Exited(who, end)

    def _end(self, child: Child, ended: children.Ended) -> End:
        reading, now = child.line.read(), time.monotonic()
        in_loop = reading.doing is Doing.LOOPING
        unexplained = ended.signal == "KILL" and not child.killed
        return End(
            ended.code,
            ended.signal,
            loops=reading.loops,
            loop_age=max(0.0, now - reading.began) if in_loop else None,
            working_on=printable(reading.working_on),
            cpu=ended.cpu,
            memory=ended.memory,
            oom=self.premises.oom.evidence(ended.pid) if unexplained else "",
        )


def _flush() -> None:
    """Empty our buffers before a fork, or the child would print them once more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is none, or it's gone: then there is nothing to print twice
