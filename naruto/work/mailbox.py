"""A worker's end of the pipes: what it was told, what it says, and waiting for either.

It knows the verbs and the descriptors. What a worker does about what it was told is the
loop's business.
"""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections.abc import Iterable

import attrs

from .. import log
from ..core.messages import (
    DOWN,
    LEAVE,
    Lines,
    Message,
    MessageError,
    decode,
    encode,
    excerpt,
    number,
)
from ..unix import fifo
from ..unix.timeouts import milliseconds

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
        finished: It has said that its last loop is over.
        deaf: Its pipes are closed: this is a process that the worker has forked.
        has_tasks: The loop shares its thread with tasks of the user's, in an event loop.
        news: An eventfd(2) that is readable when something was taken out of the pipe since
            the loop has last waited: by a thread or a task of the user's that has looked.
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
    finished: bool = False
    deaf: bool = False
    has_tasks: bool = False
    looked_at: float = 0.0
    _lines: Lines = attrs.field(factory=Lines)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    news: int = attrs.field(factory=lambda: os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))

    def look(self) -> None:
        """Take what is there, without waiting; any thread of the worker's may look."""
        self.looked_at = time.monotonic()
        self._take(self._poll().poll(0))

    def wait(self, seconds: float | None, wake_on: Iterable[int] = ()) -> None:
        """Wait for a message, the master's death, a descriptor to be readable, or time."""
        poll, extra = self._poll(), set(wake_on)
        if threading.current_thread() is threading.main_thread():
            poll.register(self.news, select.POLLIN)  # only the loop takes it
        for fd in extra:
            poll.register(fd, select.POLLIN)
        end = math.inf if seconds is None else time.monotonic() + seconds
        while not (ready := poll.poll(milliseconds(end - time.monotonic()))):
            if time.monotonic() >= end:
                return
        for fd, happened in ready:
            if happened & select.POLLNVAL and fd in extra:
                log.write("WARNING", f"wake_on() returned descriptor {fd}, which is closed")
                self.wait(seconds, extra - {fd})
                return
        self._take(ready)
        if any(fd == self.news for fd, _ in ready):
            self.take_news()

    def take_news(self) -> None:
        """Make ``news`` unreadable again: the loop looks at what it was told now."""
        try:
            os.eventfd_read(self.news)
        except BlockingIOError:
            pass  # taken already

    def say(self, verb: str, **args: object) -> None:
        """Tell the master something; wait for room in its pipe, which is rarely needed."""
        message = encode(verb, {"worker": self.me, **args})
        self.finished = self.finished or verb == "done"
        while self.order != ORPHANED:
            try:
                os.write(self.outbox, message)
                return
            except BlockingIOError:
                self._await_room()
                self.look()
            except BrokenPipeError:
                self._orphan()

    def _await_room(self) -> None:
        poll = select.poll()
        poll.register(self.outbox, select.POLLOUT)
        poll.register(self.lifeline, select.POLLIN)
        poll.poll()

    def drop(self) -> None:
        """Close every pipe, in a process that the worker has forked: it is told nothing."""
        for fd in (self.inbox, self.outbox, self.lifeline, self.news):
            os.close(fd)
        self.deaf = True

    def leave_by_signal(self) -> None:
        """TERM: put ``stop`` into the own pipe, as a hand would."""
        try:
            os.write(self.inbox, encode("stop"))
        except BlockingIOError:
            self.dispatch(Message("stop"))  # the pipe is full: nothing in it is stronger

    def _poll(self) -> select.poll:
        """Return a new poll: one object can't serve two threads at a time."""
        poll = select.poll()
        if not self.deaf:
            poll.register(self.inbox, select.POLLIN)
            if self.order != ORPHANED:  # else its end of file would wake us for ever
                poll.register(self.lifeline, select.POLLIN)
        return poll

    def _take(self, ready: list[tuple[int, int]]) -> None:
        for fd, _ in ready:
            if fd == self.inbox:
                self._read()
            elif fd == self.lifeline:
                self._orphan()

    def _read(self) -> None:
        """Read and obey, one thread at a time: two orders keep their order."""
        with self._lock:
            for line in self._lines.feed(fifo.read(self.inbox)):
                try:
                    self.dispatch(decode(line))
                except MessageError as error:
                    why = f"{error}{excerpt(line)}"
                    text = f"line in {self.me}.pipe skipped: {why}"
                    log.write("WARNING", text, cause=text)
        if self.has_tasks or threading.current_thread() is not threading.main_thread():
            os.eventfd_write(self.news, 1)

    def dispatch(self, message: Message) -> None:
        """Take a message to heart.

        Raises:
            MessageError: It is none for a worker.
        """
        if message.verb in LEAVE:
            given = "deadline" in message.args
            self._leave(message.verb, number(message.args, "deadline") if given else None)
        elif message.verb == "hold":
            given = "number" in message.args
            self.hold = int(number(message.args, "number")) if given else 0
        elif message.verb == "go":
            self.may_go, self.hold = True, None
            self.canary = message.args.get("canary") is True
        else:
            raise MessageError(f"unknown verb; a worker knows {', '.join(DOWN)}")

    def _leave(self, verb: str, deadline: float | None) -> None:
        if self.order is not None and _STRENGTH[self.order] >= _STRENGTH[verb]:
            return
        self.order, self.deadline = verb, deadline

    def _orphan(self) -> None:
        if self.order == ORPHANED:
            return
        self.order, self.deadline = ORPHANED, None
        os.eventfd_write(self.news, 1)
