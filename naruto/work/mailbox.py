"""A worker's end of the pipes: what it was told, what it says, and waiting for either.

It knows the verbs and the descriptors. What a worker does about what it was told is the
loop's business.
"""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Iterable

import attrs

from .. import log
from ..core.messages import LEAVE, Lines, Message, MessageError, decode, encode, excerpt
from ..unix import fifo

ORPHANED = "orphaned"
"""The reason to leave of a worker whose master is dead."""

_STRENGTH = {verb: strength for strength, verb in enumerate((*LEAVE, ORPHANED))}


@attrs.define
class Mailbox:
    """What a worker was told so far.

    Attributes:
        me: The worker's id, as in "orders-0.17".
        inbox: Its own FIFO, opened for reading and writing.
        outbox: The master's FIFO, opened for writing.
        lifeline: Readable when the master is dead.
        order: The reason to leave, or None.
        deadline: When it will be killed, on the monotonic clock, or None.
        may_go: It was told to begin.
        hold: The number of the hold that it is under, or None.
        canary: Its first loop proves new code.
    """

    me: str
    inbox: int
    outbox: int
    lifeline: int
    order: str | None = None
    deadline: float | None = None
    may_go: bool = False
    hold: int | None = None
    canary: bool = False
    looked_at: float = 0.0
    _lines: Lines = attrs.field(factory=Lines)
    _poll: select.poll = attrs.field(factory=select.poll)

    def __attrs_post_init__(self) -> None:
        self._poll.register(self.inbox, select.POLLIN)
        self._poll.register(self.lifeline, select.POLLIN)

    def look(self) -> None:
        """Take what is there, without waiting."""
        self.looked_at = time.monotonic()
        self._take(self._poll.poll(0))

    def wait(self, seconds: float | None, wake_on: Iterable[int] = ()) -> None:
        """Wait for a message, the master's death, a descriptor to be readable, or time."""
        extra = self._watch(wake_on)
        try:
            timeout = None if seconds is None else math.ceil(seconds * 1000)
            ready = self._poll.poll(timeout)
        finally:
            for fd in extra:
                self._poll.unregister(fd)
        for fd, happened in ready:
            if happened & select.POLLNVAL and fd in extra:
                log.write("WARNING", f"wake_on() returned descriptor {fd}, which is closed")
                self.wait(seconds, [other for other in extra if other != fd])
                return
        self._take(ready)

    def say(self, verb: str, **args: object) -> None:
        """Tell the master something; wait for room in its pipe, which is rarely needed."""
        message = encode(verb, {"worker": self.me, **args})
        room = select.poll()
        room.register(self.outbox, select.POLLOUT)
        room.register(self.lifeline, select.POLLIN)
        while self.order != ORPHANED:
            try:
                os.write(self.outbox, message)
                return
            except BlockingIOError:
                room.poll()
                self.look()
            except BrokenPipeError:
                self._orphan()

    def drop(self) -> None:
        """Close every pipe, in a process that the worker has forked: it is told nothing."""
        for fd in (self.inbox, self.outbox, self.lifeline):
            os.close(fd)
        self._poll = select.poll()

    def leave_by_signal(self) -> None:
        """TERM: put ``stop`` into the own pipe, as a hand would."""
        try:
            os.write(self.inbox, encode("stop"))
        except BlockingIOError:
            self._obey(Message("stop"))  # the pipe is full: nothing in it is stronger

    def _watch(self, wake_on: Iterable[int]) -> set[int]:
        extra = set(wake_on) - {self.inbox, self.lifeline}
        for fd in extra:
            self._poll.register(fd, select.POLLIN)
        return extra

    def _take(self, ready: list[tuple[int, int]]) -> None:
        for fd, _ in ready:
            if fd == self.inbox:
                self._read()
            elif fd == self.lifeline:
                self._orphan()

    def _read(self) -> None:
        for line in self._lines.feed(fifo.read(self.inbox)):
            try:
                self._obey(decode(line))
            except MessageError as error:
                log.write("WARNING", f"line in {self.me}.pipe skipped: {error}{excerpt(line)}")

    def _obey(self, message: Message) -> None:
        if message.verb in LEAVE:
            self._leave(message.verb, message.args.get("deadline"))
        elif message.verb == "hold":
            self.hold = _whole(message.args.get("number"))
        elif message.verb == "go":
            self.may_go, self.hold = True, None
            self.canary = message.args.get("canary") is True
        else:
            raise MessageError("unknown verb; a worker knows go, hold, reload, quit and stop")

    def _leave(self, verb: str, deadline: object) -> None:
        if self.order is not None and _STRENGTH[self.order] >= _STRENGTH[verb]:
            return
        self.order = verb
        if isinstance(deadline, (int, float)):
            self.deadline = float(deadline)

    def _orphan(self) -> None:
        if self.order == ORPHANED:
            return
        self.order, self.deadline = ORPHANED, None
        self._poll.unregister(self.lifeline)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
