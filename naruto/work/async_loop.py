"""The life of an async worker: one event loop for all of it, in which it also rests.

Only imported where business() or a hook is ``async def``.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .. import log
from ..unix.scoreboard import Line
from .loop import LOOK_EVERY, Loop, call
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
        mailbox.take_news()  # this wakes the loop itself
        woken.set()
        if mailbox.order == ORPHANED:  # its end of file would wake us for ever
            events.remove_reader(mailbox.lifeline)

    async def wait(seconds: float | None, wake_on: Iterable[int]) -> None:
        watched = [_watch(events, fd, woken.set) for fd in wake_on]
        try:
            await asyncio.wait_for(woken.wait(), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            pass  # the rest is over
        finally:
            woken.clear()
            for fd in filter(None, watched):
                events.remove_reader(fd)
                os.close(fd)

    def news() -> None:
        mailbox.take_news()
        woken.set()

    mailbox.has_tasks = True
    events.add_reader(mailbox.news, news)
    for fd in (mailbox.inbox, mailbox.lifeline):
        events.add_reader(fd, mail)
    worker.wait_async = wait
    return await Loop(worker, mailbox, line, wait, _spin).live()


def _watch(
    events: asyncio.AbstractEventLoop, fd: int, woken: Callable[[], object]
) -> int | None:
    """Watch a duplicate: the descriptor itself may have a reader, of some library's."""
    try:
        duplicate = os.dup(fd)
    except OSError as error:
        log.write("WARNING", f"wake_on() returned descriptor {fd}: {error.strerror}")
        return None
    try:
        events.add_reader(duplicate, woken)
    except OSError as error:  # a file, which is always readable: epoll_ctl(2) says EPERM
        os.close(duplicate)
        log.write("WARNING", f"wake_on() returned descriptor {fd}: {error.strerror}")
        return None
    return duplicate


async def _spin(loop: Loop) -> object:
    clock = time.monotonic
    loops, began = 0, clock()
    until = began + LOOK_EVERY
    now = began
    try:
        while True:
            result = await _business(loop)
            now = clock()
            loops += 1
            if result is not True or now >= until:
                # Loops that never wait must not starve the worker's background tasks.
                await asyncio.sleep(0)
                return result
    finally:
        loop.spun(loops, now - (began if loops < 2 else until))


async def _business(loop: Loop) -> object:
    """Do one loop; a task cancelled in it is an error like any other, and no end of ours."""
    try:
        return await call(loop.worker.business)
    except asyncio.CancelledError as error:
        raise RuntimeError("something that business() waited for was cancelled") from error
