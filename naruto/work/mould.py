"""The mould from the inside: it imports a group's code once, and forks workers on request.

Its workers share the memory of what it has imported. Each is the master's child from birth;
where that can't be (other threads, another kernel), it's handed over: the child in between
ends, and the master, a subreaper, inherits.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

import attrs

from .. import log
from ..errors import SettingsError
from ..process import show
from ..supervise.child import Child
from ..unix import children, dispositions, lastwords, sibling, stacks
from ..unix.scoreboard import Scoreboard
from ..worker import WorkerProcess
from . import birth, capture
from .birth import Cradle
from .tracebacks import formatted

LONGEST = 4096
"""Bytes of a request or an answer."""


def live(
    orders: int, words: int, name: str, title: str, cradle: Cradle, foreign: frozenset[int]
) -> NoReturn:
    """Be the mould: from the fork to the end of the process.

    Args:
        orders: The socket that requests come through.
        words: A descriptor for its last words.
        name: What it's called in the log.
        title: What ps(1) shows.
        cradle: What its workers will be given.
        foreign: Descriptors that belong to the master and to workers.
    """
    status = 1
    try:
        os.setpgid(0, 0)
        birth.let_go(cradle, foreign)
        cradle.board.close()
        stacks.arm(words)
        dispositions.restore_defaults()
        birth.open_log(name, cradle.log_to)
        birth.take_what_is_given(cradle.group)
        birth.register_exits()
        cls = birth.load(cradle)
        capture.finish()  # what it has printed is not to be in every worker's buffer
        show(title)
        gc.collect()
        _warn_of_what_forks_badly(name, orders)  # what is frozen would not be found
        gc.freeze()  # else the collector would write to the pages that are shared
        channel = socket.socket(fileno=orders)
        channel.send(json.dumps({"ready": os.getpid()}).encode())
        _serve(channel, words, cls, cradle)
        status = 0
    except SettingsError as error:
        lastwords.write(words, str(error))
    except BaseException as error:
        lastwords.write(words, formatted(error))
    finally:
        os._exit(status)


def _serve(
    channel: socket.socket, words: int, cls: type[WorkerProcess], cradle: Cradle
) -> None:
    """Fork a worker for each request, until the master closes its end."""
    while True:
        data, fds, _, _ = socket.recv_fds(channel, LONGEST, 3)
        if not data:
            return
        request = json.loads(data)
        answer: dict[str, Any] = {"worker": request["worker"]}
        try:
            pid = _fork(cradle.adopts)
            if pid == 0:
                channel.close()
                os.close(words)
                _be_worker(cls, cradle, request, fds)
            answer["pid"] = pid
        except Exception as error:
            answer["error"] = f"fork in the mould: {error}"
            answer["by_code"] = isinstance(error, RuntimeError)
        for fd in fds:
            os.close(fd)
        channel.send(json.dumps(answer).encode())


def _be_worker(
    cls: type[WorkerProcess], cradle: Cradle, request: dict[str, Any], fds: list[int]
) -> NoReturn:
    """Turn a fork of the mould into the worker that was asked for."""
    try:
        inbox, words, board = fds
        scoreboard = Scoreboard.attached(board)
        child = Child.described(
            str(request["worker"]),
            int(request["generation"]),
            str(request["rundir"]),
            inbox,
            scoreboard.line_at(int(request["line"])),
            words,
        )
        birth.live(child, attrs.evolve(cradle, board=scoreboard), loaded=cls)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _fork(adopts: bool) -> int:
    """Fork a child for the master; return 0 in it.

    Args:
        adopts: The master would inherit one that is handed over.
    """
    try:
        return sibling.fork_sibling()
    except (RuntimeError, OSError):
        if not adopts:
            raise
        return _fork_and_hand_over()


def _fork_and_hand_over() -> int:
    """Fork twice: the master inherits the second child when the first has ended.

    Only then is its pid told: before, the master could not wait for it.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    between = children.fork()
    if between == 0:
        os.close(reader)
        if _forked_in_between(writer) == 0:
            return 0
    os.close(writer)
    ended = children.reap(between)
    said = os.read(reader, 32)
    os.close(reader)
    if not said:
        raise OSError(f"the process in between has ended (status {ended.status})")
    return int(said)


def _forked_in_between(writer: int) -> int:
    """Fork once more and end, having told the pid; return 0 in the child."""
    pid = -1
    try:
        pid = children.fork()
        if pid:
            os.write(writer, str(pid).encode())
        else:
            os.close(writer)
    finally:
        if pid:  # also where the mould is gone: nobody else may go on in its name
            os._exit(0 if pid > 0 else 1)
    return pid


def _warn_of_what_forks_badly(name: str, orders: int) -> None:
    """Name what a fork does not copy well: threads, sockets, event loops."""
    for what in (*_threads(), *_sockets(orders), *_event_loops()):
        log.write("WARNING", f"{name} has {what}, which its workers can't use (preload)")


def _threads() -> Iterator[str]:
    ours = threading.main_thread()
    known = [thread.name for thread in threading.enumerate() if thread is not ours]
    yield from (f"a thread {name!r}" for name in known)
    others = len(os.listdir("/proc/self/task")) - 1 - len(known)
    if others > 0:
        yield f"{others} threads that Python does not know"


def _sockets(ours: int) -> Iterator[str]:
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            link = os.readlink(f"/proc/self/fd/{fd}")
            if link.startswith("socket:") and int(fd) != ours:
                yield f"an open socket (descriptor {fd})"


def _event_loops() -> Iterator[str]:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return
    for thing in gc.get_objects():
        if isinstance(thing, asyncio.AbstractEventLoop) and not thing.is_closed():
            yield f"an event loop {thing!r}"
