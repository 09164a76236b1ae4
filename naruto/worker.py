"""WorkerProcess: the user's loop, and what it can ask.

Users subclass it. How it loops is in ``work/loop.py``; what it was told, and the dispatch of
the messages that it reads, in ``work/mailbox.py``.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol

import attrs

from .process import Process
from .unix import lastwords
from .unix.scoreboard import Line
from .work import loop
from .work.mailbox import Mailbox
from .work.wear import Wear


class HasFileno(Protocol):
    """A socket, a connection: whatever has a descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...


@attrs.frozen
class Post:
    """Where a worker works: what it was given when it was spawned.

    Attributes:
        last_words: A descriptor for what the master shall read after its death.
        max_loops, max_lifetime, max_memory: When it shall ask to be replaced; None never.
    """

    service: str
    group: str
    index: int
    workers: int
    generation: int
    pipe: str
    mailbox: Mailbox
    line: Line
    last_words: int
    max_loops: int | None = None
    max_lifetime: float | None = None
    max_memory: int | None = None


class WorkerProcess(Process):
    """A worker: subclass it and write ``business()``.

    Nothing of it needs a call to ``super()``, ``__init__`` neither.

    Attributes:
        interval: Seconds to rest after a loop that returned None, or text such as "500ms".
        max_interval: The longest rest, while loops find nothing.
        max_errors: Loops in a row that may raise before this worker is replaced.
    """

    kind = "worker"
    interval: float | str = 0.2
    max_interval: float | str = 2.0
    max_errors: int = 5

    wait_async: Callable[..., Coroutine[Any, Any, None]] | None = None
    _post: Post
    _working_on: str | None = None

    # To be written by the user

    def business(self) -> Any:
        """Do one business loop.

        Returns:
            True to go round at once; None to rest for ``interval``; False where nothing
            was found, to rest twice as long each time, up to ``max_interval``.
        """
        raise NotImplementedError

    def on_start(self) -> Any:
        """Prepare, after the fork and before the first loop; it is READY when this returns."""

    def on_stop(self, reason: str) -> Any:
        """Clean up, after the last loop.

        Args:
            reason: "reload", "quit", "stop", "orphaned" (the master is dead), or "error".
        """

    def on_error(self, exc: Exception) -> Any:
        """Learn of an exception from business(); one from here means: leave now."""

    def wake_on(self) -> HasFileno | int | Iterable[HasFileno | int] | None:
        """Return what ends a rest at once by becoming readable: a socket, a descriptor."""
        return ()

    # To be asked by the user, also in the middle of a loop

    @property
    def exit_flag(self) -> bool:
        """Whether this worker was told to leave. Looks into the pipe once a millisecond."""
        mailbox = self._post.mailbox
        if mailbox.order is None and time.monotonic() - mailbox.looked_at >= loop.LOOK_EVERY:
            mailbox.look()
        return mailbox.order is not None

    def time_left(self) -> float | None:
        """Return the seconds until this worker would be killed; None where it won't be."""
        if not self.exit_flag or self._post.mailbox.deadline is None:
            return None
        return max(0.0, self._post.mailbox.deadline - time.monotonic())

    def sleep(self, seconds: float) -> bool | Awaitable[bool]:
        """Sleep, but not when told to leave; to be awaited in an async worker.

        Returns:
            True, early, when told to leave; False when the time is over.
        """
        if self.wait_async is not None:
            return self._sleep_async(seconds, self.wait_async)
        mailbox, end = self._post.mailbox, time.monotonic() + seconds
        mailbox.look()
        while mailbox.order is None and (left := end - time.monotonic()) > 0:
            mailbox.wait(left)
        return mailbox.order is not None

    async def _sleep_async(
        self, seconds: float, wait: Callable[..., Coroutine[Any, Any, None]]
    ) -> bool:
        mailbox, end = self._post.mailbox, time.monotonic() + seconds
        while mailbox.order is None and (left := end - time.monotonic()) > 0:
            await wait(left, ())
        return mailbox.order is not None

    @property
    def working_on(self) -> str | None:
        """What this loop works on, for status, stop and death records; set it as you like."""
        return self._working_on

    @working_on.setter
    def working_on(self, value: object) -> None:
        if value is not self._working_on:
            self._working_on = None if value is None else str(value)
            self._post.line.write_text(self._working_on or "")

    @property
    def index(self) -> int:
        """The place in the group, 0 to workers - 1; a replacement takes it over."""
        return self._post.index

    @property
    def group(self) -> str:
        """The name of the group."""
        return self._post.group

    @property
    def workers(self) -> int:
        """How many workers the group has."""
        return self._post.workers

    @property
    def generation(self) -> int:
        """Which code this is: it grows with each reload."""
        return self._post.generation

    # For naruto

    def run(self) -> int:
        """Live this worker's life; return its exit status."""
        return loop.live(self, self._post.mailbox, self._post.line)

    def wear(self) -> Wear | None:
        """Return when this worker, which is READY now, has done enough."""
        post = self._post
        return Wear.allowed(post.max_loops, post.max_lifetime, post.max_memory)

    def leave_words(self, text: str) -> None:
        """Leave words that the master reads after this worker's death."""
        lastwords.write(self._post.last_words, text)

    @classmethod
    def create(
        cls, post: Post, born: Callable[[WorkerProcess], None] = lambda worker: None
    ) -> WorkerProcess:
        """Make a worker that knows its post already in its ``__init__``.

        Args:
            post: Where it works.
            born: Called with it before its ``__init__``, in which it may fork already.
        """
        worker = cls.__new__(cls)
        worker._post = post
        born(worker)
        worker.name, worker.pipe = post.service, post.pipe
        worker.__init__()  # type: ignore[misc]
        return worker
