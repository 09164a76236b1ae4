"""The master's senses: whatever comes in from outside becomes an event.

Signals, lines in its pipe, the end of strangers and of its parent. They judge nothing but
whether it can be understood at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from ..core import events
from ..core.messages import Lines, Message
from ..unix import terminal
from ..unix.wakeup import Caught, Wakeup
from .ear import Ear, refuse, understood
from .premises import Premises
from .replies import Replies
from .undertaker import Undertaker
from .watch import READABLE, Watch


@attrs.define
class Senses:
    """Everything that the master waits for, but time.

    Attributes:
        terminal: The service was started on a terminal.
        parent: Descriptors that tell of the end of whom to end with: one, or none.
        tell: Takes an event for the core.
        shown: Returns what ``status`` shows.
        surviving: Takes a step that may fail without taking the rest with it.
        holds_back: Keeps a message of somebody who is not known to be born.
        begun: Half lines that the program before an upgrade had heard.
    """

    wakeup: Wakeup
    watch: Watch
    premises: Premises
    replies: Replies
    terminal: bool
    parent: list[int]
    tell: Callable[[events.Event], None]
    shown: Callable[[], dict[str, Any]]
    surviving: Callable[[Callable[[], object]], None]
    holds_back: Callable[[Message], bool]
    begun: tuple[Lines, ...] = ()
    ears: list[Ear] = attrs.field(factory=list)

    def open(self, undertaker: Undertaker) -> None:
        """Begin to wait for all of it."""
        self.open_ears()
        for fd in self.wakeup.polled:
            self.watch.add(fd, READABLE, partial(self._take_signals, undertaker))
        for fd in self.premises.strangers:
            self.watch.add(fd, READABLE, partial(self._stranger_gone, undertaker, fd))
        if self.premises.crashed:
            self.surviving(undertaker.leftovers)
        for fd in self.parent:
            self.watch.add(fd, READABLE, partial(self._parent_gone, fd))

    def open_ears(self) -> None:
        """Listen to the master's pipe, and to one that was made anew."""
        for inlet in self.premises.inlets[len(self.ears) :]:
            self.ears.append(Ear(inlet, *self.begun[len(self.ears) :][:1]))
            self.watch.add(inlet, READABLE, partial(self._hear, self.ears[-1]))

    def hear_all(self) -> None:
        """Read what is in the master's pipe now."""
        for ear in self.ears:
            self.surviving(partial(self._hear, ear))

    def _take_signals(self, undertaker: Undertaker) -> None:
        caught = list(self.wakeup.read())
        if any(one.name == "CHLD" for one in caught):
            undertaker.reap()
        for signal in caught:
            if signal.name != "CHLD":
                self.tell(events.Signalled(signal.name, signal.by, self._hung_up(signal)))

    def _hung_up(self, caught: Caught) -> bool:
        """Whether HUP means that the terminal has gone, not that somebody wants a reload."""
        gone = caught.by_kernel or not terminal.has_terminal()
        return caught.name == "HUP" and self.terminal and gone

    def _hear(self, ear: Ear) -> None:
        for message in ear.listen():
            reply = message.args.get("reply")
            problem = self.replies.problem(reply) if reply is not None else ""
            if problem:
                refuse(message, problem)
            elif message.verb == "status":
                self._status(message)
            elif not self.holds_back(message) and (event := understood(message)) is not None:
                self.tell(event)

    def _status(self, message: Message) -> None:
        reply = message.args.get("reply")
        if reply is None:
            refuse(message, 'status needs a reply pipe ("reply": "reply-1.pipe")')
        else:
            self.replies.send(reply, {"status": 0, "service": self.shown()})

    def _stranger_gone(self, undertaker: Undertaker, fd: int) -> None:
        self.watch.drop(fd)
        where = self.premises.stranger_gone(fd).slot
        if where not in {who.slot for who in self.premises.strangers.values()}:
            self.tell(events.StrangerGone(where))
        self.surviving(undertaker.leftovers)

    def _parent_gone(self, fd: int) -> None:
        self.watch.drop(fd)
        by = "the end of its parent (--exit-with-parent)"
        self.tell(events.Requested("stop", by=by))
