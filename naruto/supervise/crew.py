"""The crew: every worker that is alive, to be spawned, told, killed and buried by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

import attrs

from .. import log
from ..core import events
from ..core.ids import WorkerId
from ..unix import children
from ..work import birth
from ..work.birth import Cradle
from . import snapshot
from .child import Child
from .premises import Premises


@attrs.define
class Crew:
    """The master's children, by id and by pid.

    Attributes:
        cradle: Makes what a newborn is given.
        watch: Called with a child whose pipe is full, and whether to wait until it isn't.
    """

    premises: Premises
    cradle: Callable[[Child], Cradle]
    watch: Callable[[Child, bool], None]
    members: dict[WorkerId, Child] = attrs.field(factory=dict)
    pids: dict[int, WorkerId] = attrs.field(factory=dict)

    def spawn(self, who: WorkerId, generation: int) -> events.Event:
        """Make a worker's pipe, open it, and fork."""
        home, board = self.premises.rundir, self.premises.board
        try:
            child = Child.prepare(who, generation, home, board)
        except OSError as error:
            return events.SpawnFailed(who, f"{error.strerror}")
        cradle = self.cradle(child)
        _flush()
        try:
            pid = children.fork()
        except OSError as error:
            child.bury(board)
            return events.SpawnFailed(who, f"fork: {error.strerror}")
        if pid == 0:
            birth.live(child, cradle)
        child.pid = pid
        self.members[who], self.pids[pid] = child, who
        return events.Spawned(who, pid)

    def tell(self, who: WorkerId, verb: str, args: object) -> None:
        """Put a message into a worker's pipe; if it's full, send it when it drains."""
        child = self.members.get(who)
        if child is None:
            return  # dead meanwhile: its end is on its way to be decided
        was_blocked = child.outbox.blocked
        child.tell(verb, args)
        if child.outbox.blocked and not was_blocked:
            self.watch(child, True)

    def flush(self, child: Child) -> None:
        """Send what waits for a pipe to drain."""
        child.outbox.flush()
        if not child.outbox.blocked:
            self.watch(child, False)

    def kill(self, who: WorkerId) -> None:
        """Send SIGKILL; a child that isn't reaped yet keeps its pid."""
        child = self.members.get(who)
        if child is not None:
            os.kill(child.pid, signal.SIGKILL)

    def bury(self, ended: children.Ended) -> events.Exited | None:
        """Clear away a worker that was reaped; None if it was no worker."""
        who = self.pids.pop(ended.pid, None)
        if who is None:
            return None
        child = self.members.pop(who)
        if child.outbox.blocked:
            self.watch(child, False)
        doing = snapshot.doing(child, time.monotonic())
        words = ""
        try:
            words = child.bury(self.premises.board)
        except OSError as error:  # it is dead all the same, and must be known to be
            log.write("WARNING", f"what {who} has left could not be cleared: {error}")
        return events.Exited(who, ended.how, doing, words)

    @property
    def descriptors(self) -> list[int]:
        """What of the living no other worker may keep."""
        return [fd for child in self.members.values() for fd in child.descriptors]


def _flush() -> None:
    """Empty our buffers before a fork, or the child would print them once more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is none, or it's gone: then there is nothing to print twice
