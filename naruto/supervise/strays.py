"""Strays: what a worker has started and left behind, and its master inherits.

The master is a subreaper (prctl(2)), so whoever loses its parent anywhere below becomes a
child of the master's. Whose it was is told by its mark (unix/marks.py). A stray is
asked with TERM, killed after a grace, and reaped like any child.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Collection, Mapping

import attrs

from .. import log
from ..core.ids import WorkerId
from ..core.messages import printable
from ..unix import subreaper
from ..unix.marks import everybody_else, mark_of, send

GRACE = 2.0
"""Seconds from TERM to KILL."""


@attrs.define
class Strays:
    """Everybody that was left behind and isn't gone yet.

    Attributes:
        adopts: The master is a subreaper; embedded in a program it is none.
        run_dir: The run directory, which is part of every mark.
        inherited: Children that this process had before it was a master: none of the
            service's.
    """

    adopts: bool
    run_dir: str
    inherited: frozenset[int] = frozenset()
    _kill_at: dict[int, float] = attrs.field(factory=dict)
    _left: set[int] = attrs.field(factory=set)

    @classmethod
    def watched(cls, run_dir: str, *, adopt: bool) -> Strays:
        """Begin to adopt, if that is wanted: become a subreaper."""
        if not adopt:
            return cls(adopt, run_dir)
        subreaper.become()
        return cls(adopt, run_dir, frozenset(subreaper.children()))

    def take_over(self, inherited: frozenset[int], kill_at: Mapping[int, float]) -> None:
        """Go on with those whom this process had before an upgrade."""
        self.inherited = inherited
        self._kill_at.update(kill_at)

    def left_by(self, pid: int) -> None:
        """Ask the process group of a worker that has just ended, while its zombie pins it."""
        try:
            os.killpg(pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            pass  # it died before it had a group, or leads none any more

    def gather(self, known: set[int], living: Collection[WorkerId]) -> None:
        """Ask every stray that belongs to none of the living.

        Args:
            known: Our children that are none: workers, a probe.
            living: Workers whose descendants may live on.
        """
        if not self.adopts:
            return
        for pid in self._unknown(known):
            whose = self._owner(pid)
            if whose and WorkerId.parse(whose) not in living:
                self._ask(pid, f"left behind by {whose}")

    def gather_all(self, known: set[int]) -> None:
        """Ask every stray, whosever: the service ends."""
        if self.adopts:
            for pid in self._unknown(known):
                self._ask(pid, "left behind")

    def _owner(self, pid: int) -> str:
        """Return the id of the worker whose descendant this is; "" if of none of ours.

        The mark of a worker of another service, of one inside of which this one was started,
        says nothing.
        """
        where, _, pipe = mark_of(pid).rpartition("/")
        return pipe.removesuffix(".pipe") if where == self.run_dir else ""

    def _unknown(self, known: set[int]) -> set[int]:
        try:
            found = set(subreaper.children()) - known - self._kill_at.keys()
            return found - self._left - self.inherited
        except OSError as error:  # no descriptors left: the next death looks again
            log.write("WARNING", f"strays can't be looked for: {error}", "strays")
            return set()

    def _ask(self, pid: int, why: str) -> None:
        title = subreaper.title_of(pid).replace(b"\0", b" ").decode(errors="replace").strip()
        if title:  # else it's dead already, and only not reaped yet
            log.write("INFO", f"pid {pid} ({printable(title[:60])}), {why}, is asked to end")
        self._kill_at[pid] = time.monotonic() + GRACE
        send(pid, signal.SIGTERM)
        send(pid, signal.SIGCONT)  # a stopped one could not obey

    def kill_late(self, now: float) -> None:
        """Kill whoever has not ended within the grace."""
        for pid in [pid for pid, at in self._kill_at.items() if at <= now]:
            if pid in self._left:
                log.write("ERROR", f"pid {pid} can't be ended, and is left alone")
                del self._kill_at[pid]
                continue
            log.write("WARNING", f"pid {pid} has not ended within {GRACE:g} s and is killed")
            self._kill_at[pid] = now + GRACE
            self._left.add(pid)
            send(pid, signal.SIGKILL)

    def buried(self, pid: int) -> bool:
        """Forget one that was reaped; return whether it was one of ours."""
        self._left.discard(pid)
        return self._kill_at.pop(pid, None) is not None

    @property
    def handed(self) -> dict[int, float]:
        """When each will be killed."""
        return dict(self._kill_at)

    @property
    def next_alarm(self) -> float:
        """When to look again, on the monotonic clock; infinity where nothing is pending."""
        return min(self._kill_at.values(), default=math.inf)

    def __bool__(self) -> bool:
        return bool(self._kill_at)


def ask_leftovers(run_dir: str, living: Collection[WorkerId]) -> None:
    """Ask what workers of a dead master have started to end, as those workers are gone.

    Nobody is its parent any more, so its mark is all that tells of it.

    Args:
        run_dir: The run directory, which is part of the mark.
        living: Workers whose descendants may live on.
    """
    names = {f"{who}.pipe" for who in living}
    for pid in everybody_else():
        where, _, pipe = mark_of(pid).rpartition("/")
        if where == run_dir and pipe not in names:
            whose = pipe.removesuffix(".pipe")
            log.write("INFO", f"pid {pid}, left behind by {whose}, is asked to end")
            send(pid, signal.SIGTERM)
