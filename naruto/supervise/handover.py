"""Handover: what a master leaves to the program that takes its place under the same pid.

Pipes, locks and children stay over an exec (execve(2)); what is known of them is written
into a memfd, which the new program reads. The format is tolerant: a field that the new
program does not know is dropped, one that it misses gets its default.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping
from typing import Any

import attrs

from .. import __version__
from ..core import events
from ..core.ids import WorkerId
from ..core.messages import Lines, Message
from ..core.state import State
from ..errors import Failed
from ..settings import Settings
from ..unix import children
from .generations import Generation

FORMAT = 2
"""To be raised when what is written means something else than before."""


@attrs.frozen
class Member:
    """A worker, and what the master holds of it.

    Attributes:
        waiting: Messages that its pipe had no room for.
        place: The descriptor of its scoreboard's segment, and where its line begins.
    """

    id: WorkerId
    generation: int
    pid: int
    inbox: int
    waiting: tuple[bytes, ...]
    last_words: int
    place: tuple[int, int]
    killed: bool = False
    stopped: bool = False
    stack_from: int = 0
    early: tuple[Message, ...] = ()


@attrs.frozen
class HandedMould:
    """A mould."""

    key: tuple[str, int]
    number: int
    pid: int
    channel: int
    words: int
    patience: float | None
    ready: bool
    late_at: float
    asked: tuple[WorkerId, ...]
    why: str


@attrs.frozen
class Handover:
    """Everything that goes on.

    Attributes:
        inbox: Events that were not decided about yet.
        ears: What each of the master's pipes has begun to say.
        replies: Answers on their way: descriptor, the rest, and when it's dropped.
        strays: When each stray will be killed.
        inherited: Children of this process that are none of the service's.
        clients: Who waits for the end of the upgrade.
        descriptors: The limits that workers go back to.
        started_in: The real path of where the first master was started.
        parent: A descriptor that tells of the end of whom to end with.
    """

    version: str
    state: State
    inbox: tuple[events.Event, ...]
    settings: Settings
    generations: Mapping[int, Generation]
    last_generation: int
    lock: int
    inlets: tuple[int, ...]
    ears: tuple[Lines, ...]
    to_master: int
    lifeline: tuple[int, int]
    segments: tuple[int, ...]
    strangers: Mapping[int, WorkerId]
    members: tuple[Member, ...]
    moulds: tuple[HandedMould, ...]
    strays: Mapping[int, float]
    inherited: frozenset[int]
    unclaimed: Mapping[int, children.Ended]
    replies: tuple[tuple[int, bytes, float], ...]
    clients: tuple[str, ...]
    descriptors: tuple[int, int]
    started_in: str
    parent: tuple[int, ...] = ()

    @property
    def kept(self) -> list[int]:
        """Every descriptor that must stay open."""
        return [
            *(self.lock, self.to_master, *self.inlets, *self.lifeline, *self.segments),
            *self.strangers,
            *self.parent,
            *(fd for member in self.members for fd in (member.inbox, member.last_words)),
            *(fd for mould in self.moulds for fd in (mould.channel, mould.words)),
            *(fd for fd, _, _ in self.replies),
        ]

    def write(self) -> int:
        """Return a memfd with it."""
        out = io.BytesIO()
        _Pickler(out, pickle.HIGHEST_PROTOCOL).dump((FORMAT, __version__, self))
        fd = os.memfd_create("naruto-handover", os.MFD_CLOEXEC)
        data = out.getbuffer()
        while data:
            data = data[os.write(fd, data) :]
        return fd


def read(fd: int) -> Handover:
    """Read what ``write`` has written.

    Raises:
        Failed: This program doesn't understand it.
    """
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    try:
        written, version, handed = pickle.loads(data)
    except Exception as error:  # whatever a name or a class that is no more may raise
        raise Failed(f"what the running master hands over can't be read: {error!r}") from None
    if written != FORMAT or not isinstance(handed, Handover):
        raise Failed(
            f"naruto {version} hands over in format {written}, naruto {__version__} reads"
            f" {FORMAT}: restart it instead"
        )
    return handed


class _Pickler(pickle.Pickler):
    """Writes attrs classes field by field, so that the next version may have others."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, type) or not attrs.has(type(thing)):
            return NotImplemented
        fields = {f.alias: getattr(thing, f.name) for f in attrs.fields(type(thing)) if f.init}
        return _made, (type(thing), fields)


def _made(cls: type[Any], fields: Mapping[str, Any]) -> Any:
    known = {field.alias for field in attrs.fields(cls) if field.init}
    return cls(**{name: value for name, value in fields.items() if name in known})
