"""A sink: where the lines of one process of a service go, each with its head.

A record becomes lines that all carry time, level, process and pid, written by one write(2),
so that lines of different processes never mix and each can be found by grep. What can't be
written stops nothing. It knows no loguru, and nothing of who says what.
"""

from __future__ import annotations

import os
import select
import threading
import time

import attrs

from .unix.daemon import open_log

LEVELS = {
    "TRACE": 5,
    "DEBUG": 10,
    "INFO": 20,
    "SUCCESS": 25,
    "WARNING": 30,
    "ERROR": 40,
    "CRITICAL": 50,
}
"""loguru's levels, by name."""

MODERATED = ("WARNING", "CRITICAL")
"""Levels that are. Each error is an answer."""

MOST_CAUSES = 1000
"""How many different warnings are given within a minute."""

EACH = "each"
"""The cause of what is to be said each time, though it is the same text."""

MINUTE = 60.0
"""Seconds for which a warning counts as given."""

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
        process: In whose name, such as "master" or "orders-0".
        to: Where to.
    """

    process: str
    to: LogTo
    _colored: bool = attrs.field(init=False)
    _fd: int | None = None
    _lost: int = 0
    _warned: dict[str, Warned] = attrs.field(factory=dict)
    # Threads of the user's print as well; and so may a handler, in the middle of a record.
    _lock: threading.RLock = attrs.field(factory=threading.RLock)

    def __attrs_post_init__(self) -> None:
        self._colored = self.to.path is None and "NO_COLOR" not in os.environ and os.isatty(2)

    def rename(self, process: str) -> None:
        """Write in another name, in a fork of the process that has opened it."""
        self.process, self._lost, self._warned = process, 0, {}
        self._lock = threading.RLock()  # a thread that is not in this process may hold it

    def put(
        self, level: str, text: str, cause: str | None = None, at: float | None = None
    ) -> None:
        """Write one record.

        Args:
            level: Its level, in upper case.
            text: One or more lines.
            cause: What a warning is about; None where somebody else's code says it, which
                nobody moderates.
            at: When, in seconds since the epoch; None for now.
        """
        with self._lock:
            self._put(level, text, cause, time.time() if at is None else at)

    def _put(self, level: str, text: str, cause: str | None, at: float) -> None:
        left_out = self._left_out(level, text, cause) if cause is not None else 0
        if left_out is None:
            return
        lines = self._lines(level, text, at)
        if left_out:
            lines = f"{lines.rstrip()} ({left_out} more like this since)\n"
        if self._lost:
            lines = f"{lines}({self._lost} records before this were lost)\n"
        data = lines.encode(errors="backslashreplace")
        try:
            fd = self._place()
            while data:
                if self.to.path is None and not _has_room(fd, self._patience):
                    self._lost += 1
                    return
                data = data[os.write(fd, _piece(data) if self.to.path is None else data) :]
            self._lost = 0
        except OSError:
            pass  # disk full, terminal gone: what can't be logged must not stop a worker

    @property
    def _is_master(self) -> bool:
        return self.process == "master"

    @property
    def _patience(self) -> float:
        """Seconds to wait for room; a master must not wait at all."""
        return 0.0 if self._is_master else 1.0

    @property
    def _burst(self) -> int:
        """How often a warning is given within a minute."""
        return 1 if self._is_master else 50

    def _left_out(self, level: str, text: str, cause: str) -> int | None:
        """Return how many warnings like this one were left out; None to leave it out too.

        A master's are all moderated, a worker's only where they have a cause.
        """
        cause = cause or (text if self._is_master else EACH)
        if level not in MODERATED or cause == EACH:
            return 0
        now = time.monotonic()
        warned = self._warned.get(cause)
        if warned is not None and now < warned.until:
            warned.times += 1
            return 0 if warned.times <= self._burst else None
        if len(self._warned) >= MOST_CAUSES:
            self._warned = {c: w for c, w in self._warned.items() if now < w.until}
        if len(self._warned) >= MOST_CAUSES:
            return None  # somebody writes garbage as fast as it is read
        self._warned[cause] = Warned(now + MINUTE)
        return max(0, warned.times - self._burst) if warned else 0

    def _lines(self, level: str, text: str, at: float) -> str:
        """Return a record as lines, each with its head."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
        head = f"{when}.{int(at % 1 * 1000):03} {level:<8} {self.process}[{os.getpid()}] "
        if self._colored and level in _COLORS:
            head = f"{_COLORS[level]}{head}\x1b[0m"
        return "".join(f"{head}{line}\n" for line in text.splitlines() or [""])

    def open(self) -> None:
        """Open the file while there is the right to; what fails now is tried again."""
        try:
            self._place()
        except OSError:
            pass  # a log that can't be written never stops a process

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _place(self) -> int:
        """Return where to write to."""
        if self.to.path is None:
            return 2
        if self._fd is not None and not self._moved(self.to.path, self._fd):
            return self._fd
        try:
            new = open_log(self.to.path, self.to.owner)
        except OSError:
            if self._fd is None:
                raise
            return self._fd  # moved, and no right to make a new one: still better than none
        old, self._fd = self._fd, new
        if old is not None:
            self._redirect(old, new)
            os.close(old)
        return new

    @staticmethod
    def _moved(path: str, fd: int) -> bool:
        try:
            return not os.path.samestat(os.stat(path), os.fstat(fd))
        except OSError:
            return True

    @staticmethod
    def _redirect(old: int, new: int) -> None:
        """Let what is printed past us (by C code, by a shell) follow to the new file."""
        for standard in (1, 2):
            if os.path.samestat(os.fstat(standard), os.fstat(old)):
                os.dup2(new, standard)


def _has_room(fd: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(patience * 1000))


def _piece(data: bytes) -> bytes:
    """Return as many whole lines as surely fit into a pipe that has room: pipe(7)."""
    most = select.PIPE_BUF
    return data if len(data) <= most else data[: data.rfind(b"\n", 0, most) + 1 or most]
