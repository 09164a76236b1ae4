"""How soon a resting worker acts on a message, against a bare round trip through two FIFOs.

The worker is told to hold and to go on, again and again; each hold is answered.
"""

from __future__ import annotations

import os
import select
import statistics
import time

from naruto import WorkerProcess
from naruto.core.messages import encode
from naruto.unix.scoreboard import Scoreboard
from naruto.work.mailbox import Mailbox
from naruto.worker import Post

MESSAGES = 500


class Resting(WorkerProcess):
    """Rests for a minute after each loop."""

    interval = 60.0

    def business(self) -> None:
        """Do nothing."""


def _median(told: int, heard: int, after: bytes = b"") -> float:
    poll = select.poll()
    poll.register(heard, select.POLLIN)
    times = []
    for number in range(MESSAGES):
        message = encode("hold", {"number": number})
        began = time.monotonic()
        os.write(told, message)
        poll.poll()
        os.read(heard, 4096)
        times.append(time.monotonic() - began)
        if after:
            os.write(told, after)
    return statistics.median(times)


def worker() -> float:
    """Return the median seconds from a message's write to the worker's answer."""
    board = Scoreboard()
    line = board.take()
    inbox, told = os.pipe2(os.O_NONBLOCK)
    heard, outbox = os.pipe2(os.O_NONBLOCK)
    watched, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(held)
        mailbox = Mailbox("bench-0.1", inbox, outbox, watched)
        post = Post(
            "bench", "bench", 0, 1, 1, "", mailbox, line, os.open(os.devnull, os.O_WRONLY)
        )
        os._exit(Resting.create(post).run())
    select.select([heard], [], [])
    os.read(heard, 4096)  # ready
    os.write(told, encode("go"))
    seconds = _median(told, heard, encode("go"))
    os.write(told, encode("quit"))
    os.waitpid(pid, 0)
    for fd in (inbox, told, heard, outbox, watched, held):
        os.close(fd)
    return seconds


def bare() -> float:
    """Return the median seconds of a round trip to a process that only echoes."""
    inbox, told = os.pipe()
    heard, outbox = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        while data := os.read(inbox, 4096):
            os.write(outbox, data)
        os._exit(0)
    os.close(inbox)
    seconds = _median(told, heard)
    os.close(told)
    os.waitpid(pid, 0)
    for fd in (heard, outbox):
        os.close(fd)
    return seconds


MEASURES = (
    ("message to a resting worker, ms", "<= 2 ms", lambda: worker() * 1000),
    ("message to a resting worker / bare echo", "", lambda: worker() / bare()),
)
