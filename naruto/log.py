"""The log: every process of a service writes whole lines to one place.

loguru is the front; this is the sink behind it. A record becomes lines that all carry
time, level, process and pid, written by one write(2), so that lines of different processes
never mix and each can be found by grep. A log that can't be written stops nothing.
"""

from __future__ import annotations

import os
import select
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from loguru import logger

from .unix.daemon import open_log

if TYPE_CHECKING:
    from loguru import Message, Record

logger.disable("naruto")  # a library is silent until somebody asks

_COLORS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"}


@attrs.frozen
class LogTo:
    """Where a service's log goes.

    Attributes:
        path: An absolute path; None for standard error.
        level: The least level, in upper case.
        asked: Somebody asked for a log. Where not (naruto as a library) nothing is added
            to what the program does with its own loguru, and user code prints as ever.
        alone: The process is naruto's, and so is its loguru: no other sink counts.
        owner: Whom a file shall belong to (a uid), so that a worker which has given up
            root's rights can open it anew; None leaves it as it is.
    """

    path: str | None
    level: str = "INFO"
    asked: bool = True
    alone: bool = True
    owner: int | None = None


def write(level: str, text: str, cause: str = "") -> None:
    """Log a text of one or more lines, in the name of this process.

    Args:
        level: In any case.
        text: What to say.
        cause: What other texts may be about as well: a master warns once a minute of it;
            EACH where each time counts.
    """
    logger.opt(depth=1).bind(cause=cause).log(level.upper(), "{}", text)


def open_for(process: str, to: LogTo) -> Callable[[], None]:
    """Let this process log, under a name such as "master" or "orders-0".

    Returns:
        What closes the log again. Nothing is opened where nobody asked for a log.
    """
    if not to.asked:
        return lambda: None
    if to.alone:
        logger.remove()
    default = not to.alone and _remove_default()
    logger.enable("naruto")
    patience = 0.0 if process == "master" else 1.0
    sink = Sink(process, to.path, _colored(to.path), patience, to.owner)
    sink.moderates = process == "master"
    sink.open()
    _sinks.append(sink)
    number = logger.add(sink, level=to.level, format="{message}", catch=False)

    def close() -> None:
        logger.remove(number)
        _sinks.remove(sink)
        if default:
            logger.add(sys.stderr)

    return close


def rename(process: str) -> None:
    """Log under another name, in a fork of a process that has opened its log here."""
    for sink in _sinks:
        sink.process = process


def _remove_default() -> bool:
    """Drop the handler that loguru comes with, if the program has left it there.

    It would print every line a second time. One that the program has added itself stays.
    """
    try:
        logger.remove(0)
    except ValueError:
        return False  # the program has configured loguru
    return True


def forget_all() -> None:
    """Drop every sink: first thing in a forked worker, whose sinks are its parent's.

    One with a queue would block for ever once the process that empties it is gone.
    """
    logger.remove()
    _sinks.clear()


def _has_room(fd: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(patience * 1000))


def _piece(data: bytes) -> bytes:
    """Return as many whole lines as surely fit into a pipe that has room: pipe(7)."""
    most = select.PIPE_BUF
    return data if len(data) <= most else data[: data.rfind(b"\n", 0, most) + 1 or most]


def _colored(path: str | None) -> bool:
    return path is None and "NO_COLOR" not in os.environ and os.isatty(2)


MODERATED = (30, 50)
"""Levels that are: loguru's numbers of WARNING and CRITICAL. Each error is an answer."""

MOST_CAUSES = 1000
"""How many different warnings are given within a minute."""

EACH = "each"
"""The cause of what is to be said each time, though it is the same text."""

MINUTE = 60.0
"""Seconds for which a warning counts as given."""


@attrs.define
class Warned:
    """A warning that was given, and how often it was due since then."""

    until: float
    times: int = 1


@attrs.define
class Sink:
    """Writes records to a file or to standard error.

    A file that was moved or deleted is opened anew: before each record its path is
    compared with what is open. Standard error may be a terminal that is held by Ctrl-S, or
    a pipe whose reader stands still: there a record that finds no room is lost, and the
    next that does says so.

    Attributes:
        patience: Seconds to wait for room; a master must not wait at all.
        moderates: Each warning is given once a minute, however often it's due; else only
            those that have a cause are moderated, and a few times a minute.
    """

    process: str
    path: str | None
    colored: bool = False
    patience: float = 1.0
    owner: int | None = None
    moderates: bool = False
    _fd: int | None = None
    _lost: int = 0
    _warned: dict[str, Warned] = attrs.field(factory=dict)

    def write(self, message: Message) -> None:
        """Write one record."""
        left_out = self._left_out(message.record)
        if left_out is None:
            return
        text = self.lines(message.record)
        if left_out:
            text = f"{text.rstrip()} ({left_out} more like this since)\n"
        if self._lost:
            text = f"{text}({self._lost} records before this were lost)\n"
        data = text.encode(errors="backslashreplace")
        try:
            fd = self._place()
            while data:
                if self.path is None and not _has_room(fd, self.patience):
                    self._lost += 1
                    return
                data = data[os.write(fd, _piece(data) if self.path is None else data) :]
            self._lost = 0
        except OSError:
            pass  # disk full, terminal gone: what can't be logged must not stop a worker

    @property
    def burst(self) -> int:
        """How often a warning is given within a minute."""
        return 1 if self.moderates else 50

    def _left_out(self, record: Record) -> int | None:
        """Return how many warnings like this one were left out; None to leave it out too."""
        ours = (record["name"] or "").startswith("naruto.")
        if not ours or record["level"].no not in MODERATED:
            return 0
        cause = record["extra"].get("cause") or (self.moderates and record["message"])
        if not cause or cause == EACH:
            return 0
        now = time.monotonic()
        warned = self._warned.get(cause)
        if warned is not None and now < warned.until:
            warned.times += 1
            return 0 if warned.times <= self.burst else None
        if len(self._warned) >= MOST_CAUSES:
            self._warned = {c: w for c, w in self._warned.items() if now < w.until}
        if len(self._warned) >= MOST_CAUSES:
            return None  # somebody writes garbage as fast as it is read
        self._warned[cause] = Warned(now + MINUTE)
        return max(0, warned.times - self.burst) if warned else 0

    def stop(self) -> None:
        """Close the file; loguru calls this when the sink is removed."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def lines(self, record: Record) -> str:
        """Return a record as lines, each with its head."""
        level = record["level"].name
        when = record["time"].isoformat(" ", "milliseconds")[:23]
        head = f"{when} {level:<8} {self.process}[{os.getpid()}] "
        if self.colored and level in _COLORS:
            head = f"{_COLORS[level]}{head}\x1b[0m"
        text = record["message"]
        if (error := record["exception"]) is not None:
            text += "\n" + "".join(traceback.format_exception(*error)).rstrip()
        return "".join(f"{head}{line}\n" for line in text.splitlines() or [""])

    def open(self) -> None:
        """Open the file while there is the right to; what fails now is tried again."""
        try:
            self._place()
        except OSError:
            pass  # a log that can't be written never stops a process

    def _place(self) -> int:
        """Return where to write to."""
        if self.path is None:
            return 2
        if self._fd is not None and not self._moved(self._fd):
            return self._fd
        try:
            new = open_log(self.path, self.owner)
        except OSError:
            if self._fd is None:
                raise
            return self._fd  # moved, and no right to make a new one: still better than none
        old, self._fd = self._fd, new
        if old is not None:
            self._redirect(old, new)
            os.close(old)
        return new

    def _moved(self, fd: int) -> bool:
        assert self.path is not None
        try:
            return not os.path.samestat(os.stat(self.path), os.fstat(fd))
        except OSError:
            return True

    @staticmethod
    def _redirect(old: int, new: int) -> None:
        """Let what is printed past us (by C code, by a shell) follow to the new file."""
        for standard in (1, 2):
            if os.path.samestat(os.fstat(standard), os.fstat(old)):
                os.dup2(new, standard)


_sinks: list[Sink] = []
"""What this process logs into; loguru doesn't give back what it was given."""
