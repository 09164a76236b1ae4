"""The life of a worker: on_start, one business loop after another, on_stop.

Written once, for plain and for async workers. It is a coroutine in both cases: a plain
worker's never suspends, because it waits in poll(2), and is driven by a single ``send``;
an async worker's runs in its event loop and waits there. Between two loops, and only
there, a worker obeys its mailbox.
"""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

import attrs

from .. import log
from ..core.units import duration
from ..unix.scoreboard import BEGAN, BUSY, ERRORS, LONGEST, LOOPS, STATE, Doing, Line
from .mailbox import Mailbox
from .tracebacks import formatted
from .wear import Wear

if TYPE_CHECKING:
    from ..worker import WorkerProcess

LOOK_EVERY = 0.001
"""Seconds of loops without a rest after which a worker looks into its pipe."""

FIRST_ERROR_REST, LONGEST_ERROR_REST = 1.0, 30.0
"""Seconds to rest after a loop that raised: doubling, up to the second."""


@attrs.define
class Loop:
    """One worker's life.

    Attributes:
        errors: Loops in a row that raised.
        status: The exit status to come.
        started: Whether its first loop is over.
        wear: When it has done enough; None where nothing limits it, or it has said so.
    """

    worker: WorkerProcess
    mailbox: Mailbox
    line: Line
    wait: Callable[[float | None, Iterable[int]], Coroutine[Any, Any, None]]
    spin: Callable[[Loop], Coroutine[Any, Any, object]]
    errors: int = 0
    status: int = 0
    started: bool = False
    leaving: bool = False
    wear: Wear | None = None
    _nothing_found: int = 0
    _told_off: bool = False

    async def live(self) -> int:
        """Live from on_start to on_stop; return the exit status."""
        await call(self.worker.on_start)
        self.mailbox.look()
        if self.mailbox.order is None:
            self.wear = self.worker.wear()
            self.mailbox.say("ready")
            self.show(Doing.WAITING)
            while self.mailbox.order is None and not self.mailbox.may_go:
                await self.wait(None, ())
            await self.loops()
        order = self.mailbox.order
        self.mailbox.say("done", reason=order)
        self.show(Doing.STOPPING)
        await call(self.worker.on_stop, order or "error")
        return self.status

    async def loops(self) -> None:
        """Loop until told to leave."""
        mailbox = self.mailbox
        while not self.leaving:
            if mailbox.hold is None and mailbox.order is None:
                mailbox.look()  # at the last moment: a loop may take an hour
            if mailbox.order is not None:
                return
            if mailbox.hold is not None:
                await self.held(mailbox.hold)
                continue
            try:
                result = await self.turn()
            except Exception as error:
                await self.failed(error)
            except SystemExit as error:
                self.status, self.leaving = _exit_status(error), True
            except BaseException as error:  # a KeyboardInterrupt of the user's own, say
                self.give_up(
                    f"business() raised {type(error).__name__}: leaving\n{formatted(error)}"
                )
            else:
                self.ask_to_be_replaced()
                if result is not True:
                    await self.rest(self.rest_after(result))

    def ask_to_be_replaced(self) -> None:
        """Tell the master, once, when this worker has done enough; and go on until told."""
        if self.wear is not None and (why := self.wear.out(self.line.numbers[LOOPS])):
            self.wear = None
            self.mailbox.say("recycle", reason=why)

    async def turn(self) -> object:
        """Run business loops until one does not ask for the next at once."""
        numbers = self.line.numbers
        self.show(Doing.LOOPING)
        try:
            result = await self.spin(self)
        finally:
            numbers[BUSY] += time.monotonic_ns() - numbers[BEGAN]
        self.errors = 0
        if not self.started:
            self.started = True
            if self.mailbox.canary:
                self.mailbox.say("looped")
        return result

    def show(self, doing: Doing) -> None:
        """Tell the scoreboard what begins now."""
        numbers = self.line.numbers
        numbers[STATE] = doing
        numbers[BEGAN] = time.monotonic_ns()
        if doing is not Doing.LOOPING:
            self.worker.working_on = None

    def spun(self, loops: int, longest: float) -> None:
        """Tell the scoreboard of loops that are over, and how long one took (seconds)."""
        numbers = self.line.numbers
        numbers[LOOPS] += loops
        numbers[LONGEST] = max(numbers[LONGEST], int(longest * 1e9))

    async def held(self, number: int) -> None:
        """Rest between two loops until told to go on."""
        self.show(Doing.HELD)
        longest = self.line.numbers[LONGEST] / 1e9
        self.mailbox.say("held", number=number, longest=round(longest, 3))
        while self.mailbox.hold == number and self.mailbox.order is None:
            await self.wait(None, ())

    async def failed(self, error: Exception) -> None:
        """A loop has raised: tell everybody, rest, and after too many leave."""
        self.errors += 1
        self.line.numbers[ERRORS] += 1
        what = self.worker.working_on
        about = f" on {what}" if what else ""
        log.write("ERROR", f"business() raised{about}\n{formatted(error)}")
        try:
            await call(self.worker.on_error, error)
        except SystemExit as second:
            self.status, self.leaving = _exit_status(second), True
            return
        except Exception as second:
            log.write("ERROR", f"on_error raised\n{formatted(second)}")
            self.give_up(f"on_error raised: leaving\n{formatted(second)}")
            return
        proving = self.mailbox.canary and not self.started
        if proving:
            self.give_up(f"the first loop of new code raised: leaving\n{formatted(error)}")
        elif self.errors >= self.worker.max_errors:
            self.give_up(f"{self.errors} loops in a row raised: leaving\n{formatted(error)}")
        else:
            pause = FIRST_ERROR_REST * 2.0 ** min(self.errors - 1, 16)
            await self.rest(min(pause, LONGEST_ERROR_REST))

    def give_up(self, why: str) -> None:
        """Leave with a status that isn't 0, and with last words."""
        log.write("ERROR", why.split("\n", 1)[0])
        self.worker.leave_words(why)
        self.status, self.leaving = 1, True

    def rest_after(self, result: object) -> float:
        """Seconds to rest after a loop that returned this."""
        if result is not None and result is not False and not self._told_off:
            self._told_off = True
            log.write(
                "WARNING",
                f"business() returned {_shown(result)}; True (go round at once), None (rest)"
                " and False (nothing found) mean something, so this is taken as None",
            )
        interval = duration(self.worker.interval, zero=True)
        if result is False:
            longest = max(interval, duration(self.worker.max_interval))
            interval = min(interval * 2.0 ** min(self._nothing_found, 32), longest)
            self._nothing_found += 1
        else:
            self._nothing_found = 0
        return interval * random.uniform(0.9, 1.1)

    async def rest(self, seconds: float) -> None:
        """Rest; a message and what wake_on() returns end it at once.

        One that the loop itself has found, by looking at exit_flag, is in no pipe any more.
        """
        if self.mailbox.order is not None or self.mailbox.hold is not None:
            return
        self.show(Doing.RESTING)
        await self.wait(seconds, self.wake_on())

    def wake_on(self) -> list[int]:
        """Return the descriptors that end a rest."""
        try:
            found = self.worker.wake_on()
            several = found if isinstance(found, Iterable) else (found,)
            fds = [f if isinstance(f, int) else f.fileno() for f in several if f is not None]
        except Exception as error:
            log.write("ERROR", f"wake_on() failed\n{formatted(error)}")
            return []
        if any(fd < 0 for fd in fds):
            log.write("WARNING", "wake_on() returned something that is closed")
        return [fd for fd in fds if fd >= 0]


async def _spin(loop: Loop) -> object:
    """Run loops that ask for the next at once, until it is time to look into the pipe.

    A line more in here is paid at every loop. The clock is read after each one, so that
    a loop which turns slow is the last one before the next look.
    """
    business, clock = loop.worker.business, time.monotonic
    began = clock()
    until = began + LOOK_EVERY
    done = 0
    try:
        while (result := business()) is True and clock() < until:
            done += 1
        done += 1
        return result
    finally:
        loop.spun(done, clock() - (began if done < 2 else until))


def live(worker: WorkerProcess, mailbox: Mailbox, line: Line) -> int:
    """Live a worker's whole life; return its exit status."""
    hooks = (worker.business, worker.on_start, worker.on_stop, worker.on_error)
    if any(is_async(hook) for hook in hooks):
        from . import async_loop  # it knows this module

        status: int = async_loop.live(worker, mailbox, line)
        return status

    async def wait(seconds: float | None, wake_on: Iterable[int]) -> None:
        mailbox.wait(seconds, wake_on)

    return _drive(Loop(worker, mailbox, line, wait, _spin).live())


def is_async(function: Callable[..., object]) -> bool:
    """Whether calling it gives something to await."""
    call = getattr(type(function), "__call__", None)  # noqa: B004 - an instance's async __call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _drive(life: Coroutine[Any, Any, int]) -> int:
    try:
        life.send(None)
    except StopIteration as end:
        status: int = end.value
        return status
    raise RuntimeError("a plain worker's life was suspended")


async def call(hook: Callable[..., object], *args: object) -> object:
    """Call a hook, plain or async."""
    result = hook(*args)
    if result is None:  # of a plain hook: to ask whether it can be awaited costs more
        return None
    return await result if inspect.isawaitable(result) else result


def _shown(value: object) -> str:
    """Return a value's repr; the user's own may raise."""
    try:
        return f"{value!r:.80}"
    except Exception:
        return f"a {type(value).__name__}"


def _exit_status(error: SystemExit) -> int:
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1
