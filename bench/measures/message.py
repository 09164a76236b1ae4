"""How soon a message is acted on, and how many are in a second: round trips, and batches.

A worker that waits between two loops is told to hold, again and again, and answers the last
of the holds that it finds; the others echo.
Latencies are in microseconds, the median of many; rates in messages a second.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from naruto import WorkerProcess
from naruto.core.messages import encode
from naruto.unix.scoreboard import Scoreboard
from naruto.work.mailbox import Mailbox
from naruto.worker import Post

from ..results import Key

MESSAGES = 500
BATCH = 100
"""Messages of a batch: with any more a pipe would be full."""
BATCHES = 20
FORK = multiprocessing.get_context("fork")

Ask = Callable[[int], None]
"""Sends so many messages, and returns when the last is acted on."""


class Resting(WorkerProcess):
    """Rests for a minute after each loop."""

    interval = 60.0

    def business(self) -> None:
        """Do nothing."""


def figures(number: int) -> Iterator[tuple[Key, str, float]]:
    """Yield latency and rate of everybody."""
    by = number % len(_PEERS)
    for name, peer in (*_PEERS[by:], *_PEERS[:by]):
        with peer() as ask:
            yield Key("message"), name, statistics.median(_round_trips(ask)) * 1e6
            began = time.monotonic()
            for _ in range(BATCHES):
                ask(BATCH)
            yield Key("messages"), name, BATCH * BATCHES / (time.monotonic() - began)


def _round_trips(ask: Ask) -> Iterator[float]:
    for _ in range(MESSAGES):
        began = time.monotonic()
        ask(1)
        yield time.monotonic() - began


@contextmanager
def _forked(live: Callable[[], object]) -> Iterator[None]:
    """Run a process on another CPU: on the same one no sleeper has to be woken up."""
    here, *others = sorted(os.sched_getaffinity(0))
    pid = os.fork()
    if pid == 0:
        try:
            os.sched_setaffinity(0, others or [here])
            live()
        finally:
            os._exit(0)
    os.sched_setaffinity(0, [here])
    try:
        yield
    finally:
        os.sched_setaffinity(0, [here, *others])
        os.waitpid(pid, 0)


@contextmanager
def _worker() -> Iterator[Ask]:
    board = Scoreboard()
    line = board.take()
    inbox, told = os.pipe2(os.O_NONBLOCK)
    heard, outbox = os.pipe()
    os.set_blocking(outbox, False)
    watched, held = os.pipe()
    lines = [encode("hold", {"number": number}) for number in range(MESSAGES + BATCH * BATCHES)]
    lines.reverse()

    def live() -> None:
        os.close(held)
        mailbox = Mailbox("bench-0.1", inbox, outbox, watched)
        words = os.open(os.devnull, os.O_WRONLY)
        Resting.create(Post("bench", "bench", 0, 1, 1, "", mailbox, line, words)).run()

    def ask(count: int) -> None:
        last = MESSAGES + BATCH * BATCHES - len(lines) + count - 1
        for _ in range(count):
            os.write(told, lines.pop())
        _read_until(heard, b'"number": %d,' % last)

    with _forked(live):
        _read_until(heard, b"ready")
        os.write(told, encode("go"))
        yield ask
        os.write(told, encode("quit"))
    for fd in (inbox, told, heard, outbox, watched, held):
        os.close(fd)
    board.close()


def _read_until(fd: int, word: bytes) -> None:
    data = b""
    while word not in data:
        data += os.read(fd, 65536)


@contextmanager
def _fifo() -> Iterator[Ask]:
    """Two FIFOs and one line each way: what a worker's pipes can't be faster than."""
    with tempfile.TemporaryDirectory() as home:
        fds = []
        for name in ("down", "up"):
            os.mkfifo(f"{home}/{name}")
            fds.append(os.open(f"{home}/{name}", os.O_RDWR))
        down, up = fds
        line = encode("hold", {"number": 1})

        def live() -> None:
            poll = select.poll()
            poll.register(down, select.POLLIN)
            while True:
                poll.poll()
                data = os.read(down, 65536)
                os.write(up, b"." * data.count(b"hold"))
                if b"quit" in data:
                    return

        def ask(count: int) -> None:
            for _ in range(count):
                os.write(down, line)
            while count:
                count -= len(os.read(up, count))

        with _forked(live):
            yield ask
            os.write(down, encode("quit"))
        os.close(down)
        os.close(up)


@contextmanager
def _queue() -> Iterator[Ask]:
    down: Any = FORK.Queue()
    up: Any = FORK.Queue()

    def live() -> None:
        while (message := down.get()) is not None:
            up.put(message)

    def ask(count: int) -> None:
        for number in range(count):
            down.put(number)
        for _ in range(count):
            up.get()

    with _forked(live):
        yield ask
        down.put(None)
    for queue in (down, up):
        queue.close()
        queue.join_thread()


@contextmanager
def _zmq() -> Iterator[Ask]:
    import zmq  # a peer: not there in the tests

    with tempfile.TemporaryDirectory() as home:

        def live() -> None:
            with zmq.Context() as context, context.socket(zmq.PAIR) as end:
                end.connect(f"ipc://{home}/pair")
                while message := end.recv():
                    end.send(message)

        with _forked(live), zmq.Context() as context, context.socket(zmq.PAIR) as end:
            end.bind(f"ipc://{home}/pair")

            def ask(count: int) -> None:
                for _ in range(count):
                    end.send(b"hold")
                for _ in range(count):
                    end.recv()

            yield ask
            end.send(b"")


_PEERS = (
    ("naruto", _worker),
    ("raw FIFO", _fifo),
    ("multiprocessing.Queue", _queue),
    ("pyzmq", _zmq),
)
