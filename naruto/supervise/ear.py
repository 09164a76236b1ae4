"""The master's ear: lines in its pipe become messages, and those become events.

Workers, clients and hands with ``echo`` all write into it. What can't be understood, or
names a reply pipe that isn't one, is refused with a reason, and nothing else happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from .. import log
from ..core import events
from ..core.ids import WorkerId
from ..core.messages import (
    ASKED,
    LEAVE,
    UP,
    Lines,
    Message,
    MessageError,
    decode,
    encode,
    excerpt,
    number,
    printable,
)
from ..unix import fifo
from ..unix.rundir import MASTER_PIPE


@attrs.define
class Ear:
    """Listens at the master's pipe.

    Attributes:
        inlet: The pipe, opened without blocking.
        lines: What has come in of a line that has no end yet.
    """

    inlet: int
    lines: Lines = attrs.field(factory=Lines)

    def listen(self) -> Iterator[Message]:
        """Yield every message that is in the pipe.

        It is read once: a pipe holds no more than that, and whoever fills it again as fast
        must not keep the master from everything else.
        """
        for line in self.lines.feed(fifo.read(self.inlet)):
            try:
                yield decode(line)
            except MessageError as error:
                _skipped(f"{error}{excerpt(line)}")


def understood(message: Message) -> events.Event | None:
    """Return what a message makes known; None where it's nothing for a master."""
    try:
        understand = _VERBS.get(message.verb)
        if understand is None:
            raise MessageError(f"unknown verb; a master knows {', '.join([*UP, *ASKED])}")
        return understand(message)
    except MessageError as error:
        refuse(message, str(error))
        return None


def refuse(message: Message, why: str) -> None:
    """Say in the log that a message does nothing."""
    _skipped(f"{why}{excerpt(encode(message.verb, message.args).strip())}")


def _skipped(why: str) -> None:
    log.write("WARNING", f"line in {MASTER_PIPE} skipped: {why}")


def worker_id(args: Mapping[str, Any]) -> WorkerId:
    """Return the worker that a message is from.

    Raises:
        MessageError: It doesn't say so.
    """
    who = WorkerId.parse(str(args.get("worker", "")))
    if who is None:
        raise MessageError('does not say which worker it is from ("worker": "default-0.1")')
    return who


def _ready(message: Message) -> events.Event:
    return events.BecameReady(worker_id(message.args))


def _looped(message: Message) -> events.Event:
    return events.FirstLoopEnded(worker_id(message.args))


def _held(message: Message) -> events.Event:
    which, longest = number(message.args, "number"), number(message.args, "longest")
    return events.Held(worker_id(message.args), int(which), longest)


def _done(message: Message) -> events.Event:
    return events.LastLoopEnded(worker_id(message.args), message.args.get("reason") in LEAVE)


def _recycle(message: Message) -> events.Event:
    reason = printable(str(message.args.get("reason", "")))[:80]
    return events.RecycleAsked(worker_id(message.args), reason or "it does not say why")


def _request(message: Message) -> events.Event:
    args = message.args
    groups = args.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(name, str) for name in groups):
        raise MessageError("groups must be a list of names")
    client = args.get("reply")
    return events.Requested(
        message.verb,
        groups=tuple(groups),
        client=client,
        at_once=message.verb == "stop" and args.get("now") is True,
        by=str(args.get("by", "a line in the master's pipe")),
    )


_VERBS: dict[str, Callable[[Message], events.Event]] = {
    "ready": _ready,
    "looped": _looped,
    "held": _held,
    "done": _done,
    "recycle": _recycle,
    "reload": _request,
    "quit": _request,
    "stop": _request,
    "restart": _request,
    "upgrade": _request,
}
