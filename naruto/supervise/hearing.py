"""Hearing: lines in the master's pipe become events.

Workers, clients and hands with ``echo`` all write into it. What can't be understood, or
names a reply pipe that isn't one, is refused with a reason, and nothing else happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core import events
from ..core.messages import LEAVE, Message, MessageError
from ..core.state import WorkerId


def worker_id(args: Mapping[str, Any]) -> WorkerId:
    """Return the worker that a message is from.

    Raises:
        MessageError: It doesn't say so.
    """
    who = WorkerId.parse(str(args.get("worker", "")))
    if who is None:
        raise MessageError('does not say which worker it is from ("worker": "default-0.1")')
    return who


def event(message: Message) -> events.Event:
    """Return what a message makes known.

    Raises:
        MessageError: Nothing that a master understands.
    """
    understand = _VERBS.get(message.verb)
    if understand is None:
        raise MessageError(f"unknown verb; a master knows {', '.join(_VERBS)} and status")
    return understand(message)


def _ready(message: Message) -> events.Event:
    return events.BecameReady(worker_id(message.args))


def _looped(message: Message) -> events.Event:
    return events.FirstLoopEnded(worker_id(message.args))


def _held(message: Message) -> events.Event:
    number, longest = message.args.get("number"), message.args.get("longest", 0.0)
    if not isinstance(number, int) or not isinstance(longest, (int, float)):
        raise MessageError("number and longest must be numbers")
    return events.Held(worker_id(message.args), number, float(longest))


def _done(message: Message) -> events.Event:
    return events.LastLoopEnded(worker_id(message.args), message.args.get("reason") in LEAVE)


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
    "reload": _request,
    "quit": _request,
    "stop": _request,
    "restart": _request,
}
