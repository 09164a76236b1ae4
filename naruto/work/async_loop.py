"""The life of an async worker: one event loop for all of it, in which it also rests.

Only imported where business() or a hook is ``async def``.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .. import log
from ..unix.scoreboard import Line
from .loop import LOOK_EVERY, Loop
from .mailbox import ORPHANED, Mailbox

if TYPE_CHECKING:
    from ..worker import WorkerProcess


def live(worker: WorkerProcess, mailbox: Mailbox, line: Line) -> int:
    """Live a worker's whole life; return its exit status.

    What on_stop leaves of tasks is cancelled after it, as asyncio.run does.
    """
    return asyncio.run(_live(worker, mailbox, line))


async def _live(worker: WorkerProcess, mailbox: Mailbox, line: Line) -> int:
    events = asyncio.get_running_loop()
    woken = asyncio.Event()

    def mail() -> None:
        mailbox.look()
        woken.set()
        if mailbox.order == ORPHANED:  # its end of file would wake us for ever
            events.remove_reader(mailbox.lifeline)

    async def wait(seconds: float | None, wake_on: Iterable[int]) -> None:
        watched = [fd for fd in wake_on if _watch(events, fd, woken.set)]
        try:
            await asyncio.wait_for(woken.wait(), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            pass  # the rest is over
        finally:
            woken.clear()
            for fd in watched:
                events.remove_reader(fd)

    for fd in (mailbox.inbox, mailbox.lifeline):
        events.add_reader(fd, mail)
    worker.wait_async = wait
    return await Loop(worker, mailbox, line, wait, _spin).live()


def _watch(events: asyncio.AbstractEventLoop, fd: int, woken: Callable[[], object]) -> bool:
    try:
        events.add_reader(fd, woken)
    except (OSError, ValueError):
        log.write("WARNING", f"wake_on() returned descriptor {fd}, which can't be watched")
        return False
    return True


async def _spin(loop: Loop) -> object:
    business, clock = loop.worker.business, time.monotonic
    loops, began = 0, clock()
    until = began + LOOK_EVERY
    now = began
    try:
        while True:
            result = business()
            if inspect.isawaitable(result):
                result = await result
            now = clock()
            loops += 1
            if result is not True or now >= until:
                # Loops that never wait must not starve the worker's background tasks.
                await asyncio.sleep(0)
                return result
    finally:
        loop.spun(loops, now - (began if loops < 2 else until))
