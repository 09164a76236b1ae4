r"""The form of a message: one line, a verb and at most one JSON object.

It knows bytes and text, never a descriptor. What a verb means is not known here either;
``docs/protocol.md`` lists them, from the tables below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

MAX_BYTES = 4096
"""The longest message in bytes, newlines included: PIPE_BUF of Linux, the most that one
write(2) puts into a pipe whole or not at all (pipe(7))."""

DOWN = {
    "go": "begin looping; after a hold: go on",
    "hold": "rest between two loops and stay",
    "reload": "leave after this loop: newer code takes the place",
    "quit": "leave after this loop, however long it takes",
    "stop": "leave after this loop, before the deadline",
}
"""What a worker reads from its own pipe: verb to meaning."""

UP = {
    "ready": "on_start has returned",
    "looped": "a canary's first loop has ended well",
    "held": "rests between two loops, as told by hold",
    "done": "the last loop is over",
    "recycle": "asks to be replaced: it has looped, lived or grown enough",
}
"""What workers write into the master's pipe: verb to meaning."""

ASKED = {
    "reload": "replace every worker with one that runs today's code",
    "quit": "end when every worker's loop is done, however long that takes",
    "stop": "end within stop_timeout",
    "restart": "check, stop, and run the same command line again under the same pid",
    "upgrade": "check, and go on with all workers as the program of today, under the same pid",
    "status": "tell the state of the service",
}
"""What clients, or a hand with echo, write into the master's pipe: verb to meaning."""

LEAVE = ("reload", "quit", "stop")
"""The verbs that tell a worker to leave, weakest first."""

_VERB = re.compile(r"[a-z]+")
_JSON = json.JSONEncoder(ensure_ascii=False)  # json.dumps would make one for each message


class MessageError(ValueError):
    """A line that is no message; the text says why."""


@attrs.frozen
class Message:
    """One message: what is said, and with what."""

    verb: str
    args: Mapping[str, Any] = attrs.field(factory=dict)


def encode(verb: str, args: Mapping[str, Any] | None = None) -> bytes:
    """Put a message into bytes that one write can carry.

    A newline goes in front as well, so that what a stranger left unfinished in the pipe
    can't swallow it.

    Raises:
        ValueError: The message is longer than a pipe takes at once.
    """
    text = f"{verb} {_JSON.encode(args)}" if args else verb
    line = f"\n{text}\n".encode()
    if len(line) > MAX_BYTES:
        raise ValueError(f"a message of {len(line)} bytes; at most {MAX_BYTES} fit")
    return line


def decode(line: bytes | MessageError) -> Message:
    """Read one line, without its newline, or what Lines yields in its place.

    Raises:
        MessageError: It isn't a message.
    """
    if isinstance(line, MessageError):
        raise line
    try:
        text = line.decode().strip()
    except UnicodeDecodeError as error:
        raise MessageError(f"not UTF-8 ({error.reason})") from error
    verb, _, rest = text.partition(" ")
    if not _VERB.fullmatch(verb):
        raise MessageError("does not begin with a verb")
    return Message(verb, _object(rest) if rest.strip() else {})


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not JSON after the verb ({error})") from error
    if not isinstance(value, dict):
        raise MessageError("what follows the verb is not a JSON object")
    return value


def number(args: Mapping[str, Any], key: str) -> float:
    """Return a number out of a message that somebody's hand may have written.

    Raises:
        MessageError: It isn't one, or none that can be reckoned with.
    """
    value = args.get(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53:
        return value
    raise MessageError(f"{key} must be a number")


@attrs.define
class Lines:
    """Cut a stream of bytes into lines, and drop what is too long to be a message.

    Attributes:
        limit: The longest line in bytes, without its newline.
    """

    limit: int = MAX_BYTES - 1
    _rest: bytes = b""
    _skipping: bool = False

    def feed(self, data: bytes) -> Iterator[bytes | MessageError]:
        """Yield each line that ``data`` completes; a MessageError for one too long.

        Empty lines are left out. What remains unfinished waits for the next call.
        """
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif len(line) > self.limit:
                yield MessageError(f"longer than {self.limit} bytes")
            elif line.strip():
                yield line
        if len(rest) > self.limit:
            if not self._skipping:
                yield MessageError(f"longer than {self.limit} bytes")
            self._skipping, rest = True, b""
        self._rest = rest


def excerpt(line: bytes | MessageError, most: int = 60) -> str:
    """Show a line that was skipped: printable, and at most ``most`` bytes of it."""
    if isinstance(line, MessageError):
        return ""
    return f" ({repr(line[:most])[1:]}{'…' if len(line) > most else ''})"


def printable(text: str) -> str:
    """Return a user's text so that it does nothing to a terminal but show."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
