"""Moulds, seen from the master: one for each generation of a group that is to be preloaded.

A mould is asked for workers and answers with their pids. One that ends takes with it what
it was asked for; the next request makes another.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import attrs

from .. import log
from ..core.deaths import in_words
from ..core.ids import WorkerId
from ..process import title
from ..unix import children, lastwords, subreaper
from ..work import mould as inside
from ..work.birth import Cradle
from .child import Child
from .premises import Premises
from .watch import READABLE, Watch

if TYPE_CHECKING:
    from .handover import HandedMould

Key = tuple[str, int]
"""Group and generation."""

TITLE = title("mould", "")
"""What begins every mould's title."""

UNNEEDED = "is needed no more"


@attrs.define(eq=False)
class Mould:
    """One mould.

    Attributes:
        number: Of all moulds that ever were: its title is nobody else's.
        channel: Requests go in here, answers come out.
        words: A descriptor for its last words.
        patience: Seconds that it may take to import the code, and to answer; None for ever.
        ready: It has imported the code.
        late_at: When it will be killed for taking longer; infinity where nothing is due.
        asked: Workers that it has not answered for.
        why: Why the master has killed it.
    """

    key: Key
    number: int
    pid: int
    channel: socket.socket
    words: int
    patience: float | None
    ready: bool = False
    late_at: float = math.inf
    asked: dict[str, Child] = attrs.field(factory=dict)
    why: str = ""

    @property
    def name(self) -> str:
        """What it's called in the log."""
        return f"mould-{self.key[0]}.{self.key[1]}"

    @property
    def title(self) -> str:
        """What begins its title, that of its half-born workers, and that of nobody else."""
        return f"{TITLE}{self.name}-{self.number} "

    def hurry(self) -> None:
        """Begin to lose patience, if anything is due at all."""
        due = (self.asked or not self.ready) and self.patience is not None
        self.late_at = time.monotonic() + (self.patience or 0) if due else math.inf


@attrs.define
class Moulds:
    """All moulds.

    Attributes:
        service: The service's name.
        born: Called with a child and its pid when a mould has forked it.
        unborn: Called with a child that there won't be, why, and whether the user's code
            is to blame.
    """

    premises: Premises
    watch: Watch
    service: str
    born: Callable[[Child, int], None]
    unborn: Callable[[Child, str, bool], None]
    _all: dict[Key, Mould] = attrs.field(factory=dict)
    _made: int = 0

    def handed(self) -> tuple[HandedMould, ...]:
        """Return what the next program has to know of each."""
        from .handover import HandedMould  # only an upgrade needs it

        return tuple(
            HandedMould(
                key=m.key,
                number=m.number,
                pid=m.pid,
                channel=m.channel.fileno(),
                words=m.words,
                patience=m.patience,
                ready=m.ready,
                late_at=m.late_at,
                asked=tuple(child.id for child in m.asked.values()),
                why=m.why,
            )
            for m in self._all.values()
        )

    def take_over(
        self, moulds: Iterable[HandedMould], members: Mapping[WorkerId, Child]
    ) -> None:
        """Go on with those that this process had before an upgrade."""
        for m in moulds:
            channel = socket.socket(fileno=m.channel)
            channel.setblocking(False)
            mould = Mould(
                key=m.key,
                number=m.number,
                pid=m.pid,
                channel=channel,
                words=m.words,
                patience=m.patience,
                ready=m.ready,
                late_at=m.late_at,
                asked={str(who): members[who] for who in m.asked},
                why=m.why,
            )
            self._all[m.key] = mould
            self._made = max(self._made, m.number)
            self.watch.add(m.channel, READABLE, partial(self._answers, mould))

    def spawn(self, child: Child, cradle: Cradle, foreign: frozenset[int]) -> None:
        """Ask the mould of a worker's group and generation for it, and make one if need be.

        Args:
            child: The worker.
            cradle: What the mould and its workers are given.
            foreign: Descriptors that a mould must not keep, those of the worker among them.

        Raises:
            OSError: The kernel would not give a process, or the channel is full.
        """
        key = (child.id.group, child.generation)
        mould = self._all.get(key) or self._make(key, cradle, foreign)
        board, line = self.premises.board.place_of(child.line)
        request = {
            "worker": str(child.id),
            "generation": child.generation,
            "rundir": child.rundir.path,
            "line": line,
        }
        fds = [child.outbox.fd, child.last_words, board]
        socket.send_fds(mould.channel, [json.dumps(request).encode()], fds)
        mould.asked[str(child.id)] = child
        mould.hurry()

    def _make(self, key: Key, cradle: Cradle, foreign: frozenset[int]) -> Mould:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = lastwords.make()
        self._made += 1
        mould = Mould(key, self._made, 0, ours, words, cradle.group.start_timeout)
        try:
            mould.pid = children.fork()
        except OSError:
            for end in (ours, theirs):
                end.close()
            os.close(words)
            raise
        if mould.pid == 0:
            ours.close()
            shown = mould.title + self.service
            inside.live(theirs.detach(), words, mould.name, shown, cradle, foreign)
        theirs.close()
        ours.setblocking(False)
        self._all[key] = mould
        self.watch.add(ours.fileno(), READABLE, partial(self._answers, mould))
        log.write("INFO", f"{mould.name} (pid {mould.pid}) imports the code")
        return mould

    def _answers(self, mould: Mould) -> None:
        while (data := _received(mould.channel)) is not None:
            if not data:  # it has closed its end: its death is on its way
                self.watch.drop(mould.channel.fileno())
                return
            answer = json.loads(data)
            if "ready" in answer:
                mould.ready = True
            elif "pid" in answer:
                self.born(mould.asked.pop(answer["worker"]), answer["pid"])
            else:
                self.unborn(
                    mould.asked.pop(answer["worker"]), answer["error"], answer["by_code"]
                )
            mould.hurry()

    def bury(self, ended: children.Ended) -> bool:
        """Clear a mould away that has ended, and whom it leaves; False if it was none."""
        mould = next((m for m in self._all.values() if m.pid == ended.pid), None)
        if mould is None:
            return False
        self._answers(mould)  # what it has still said
        del self._all[mould.key]
        words = lastwords.read(mould.words)
        how = mould.why or f"ended with {in_words(ended.code, ended.signal)}"
        level = "DEBUG" if mould.why == UNNEEDED else "ERROR"
        log.write(level, f"{mould.name} (pid {mould.pid}) {how}\n{words}".rstrip())
        for child in mould.asked.values():
            self.unborn(child, f"{mould.name} {how}\n{words}".rstrip(), not mould.ready)
        self._close(mould)
        return True

    def kill_half_born(self, known: set[int]) -> None:
        """Kill children of ours that a mould has forked and did not live to tell of.

        They still have its title. Nobody has told them to begin, so no loop is cut. One that
        is handed over may come late: after each end somebody looks.

        Args:
            known: Those of whom it has told, and the moulds that live.
        """
        living = tuple(mould.title.encode() for mould in self._all.values())
        for pid in set(subreaper.children()) - known if self._made else ():
            shown = subreaper.title_of(pid)
            if shown.startswith(TITLE.encode()) and not shown.startswith(living):
                os.kill(pid, signal.SIGKILL)

    def kill_late(self, now: float) -> None:
        """Kill moulds that take too long to import the code."""
        for mould in self._all.values():
            if mould.late_at <= now and not mould.why:
                self._kill(mould, "took longer than start_timeout")

    def kill_all_but(self, needed: frozenset[int]) -> None:
        """End the moulds of generations of which no worker will be made any more."""
        for mould in self._all.values():
            if mould.key[1] not in needed and not mould.why:
                self._kill(mould, UNNEEDED)

    def _kill(self, mould: Mould, why: str) -> None:
        mould.why = why
        os.kill(mould.pid, signal.SIGKILL)

    def _close(self, mould: Mould) -> None:
        self.watch.drop(mould.channel.fileno())
        mould.channel.close()
        os.close(mould.words)

    @property
    def next_alarm(self) -> float:
        """When to look again, on the monotonic clock; infinity where nothing is pending."""
        return min((m.late_at for m in self._all.values() if not m.why), default=math.inf)

    @property
    def owes_answers(self) -> bool:
        """Some mould was asked for a worker, and has not told of it yet."""
        return any(mould.asked for mould in self._all.values())

    @property
    def pids(self) -> set[int]:
        """All moulds that are alive."""
        return {mould.pid for mould in self._all.values()}

    @property
    def descriptors(self) -> list[int]:
        """What no other process may keep."""
        return [fd for m in self._all.values() for fd in (m.channel.fileno(), m.words)]


def _received(channel: socket.socket) -> bytes | None:
    """Return one answer; nothing at the end, None where there is none yet."""
    try:
        return channel.recv(inside.LONGEST)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""
