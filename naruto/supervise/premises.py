"""Premises: what a master has in the file system and the kernel, opened and closed as one.

The run directory and its lock, the master's own pipe, the lifeline, the scoreboard, and
the pipes of workers whose former master has died.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

import attrs

from ..core.state import WorkerId
from ..errors import AlreadyRunning, RunDirError
from ..unix import fifo, pidfile, rundir
from ..unix.lifeline import Lifeline
from ..unix.rundir import MASTER_PIPE, RunDir
from ..unix.scoreboard import Scoreboard


@attrs.define
class Premises:
    """Where a service lives.

    Attributes:
        lock: The descriptor of the locked pid file.
        inlet: The master's pipe, open for reading, and for writing so that it never ends.
        to_master: The same for writing only: what a worker keeps of it.
        strangers: Pipes of workers whose master died, each open for writing: it shows an
            error when the worker is gone.
        first_serial: The serial of the first worker to come.
    """

    rundir: RunDir
    lock: int
    inlet: int
    to_master: int
    lifeline: Lifeline
    board: Scoreboard
    strangers: dict[int, WorkerId]
    first_serial: int

    @classmethod
    def open(
        cls, name: str, path: str | None, lock: int | None = None, spared: tuple[str, ...] = ()
    ) -> Premises:
        """Take the run directory, clear what a crashed master left, and open everything.

        Args:
            name: The service's name.
            path: The run directory, or None for the usual place.
            lock: The pid file that a restarted master holds already.
            spared: Files to leave: reply pipes of those who wait for a restart.

        Raises:
            RunDirError: The run directory won't do.
            AlreadyRunning: Another master holds the lock.
        """
        with ExitStack() as undo:
            home = RunDir.make(rundir.place(name, path))
            undo.callback(home.close)
            try:
                premises = cls._open(name, home, lock, spared, undo)
            except OSError as error:
                what = f"{os.path.basename(error.filename)}: " if error.filename else ""
                raise RunDirError(
                    f"run directory {home.path}: {what}{error.strerror}; nothing was changed"
                ) from None
            undo.pop_all()
            return premises

    @classmethod
    def _open(
        cls, name: str, home: RunDir, lock: int | None, spared: tuple[str, ...], undo: ExitStack
    ) -> Premises:
        home.hold()
        if lock is None:
            lock = _take_lock(name, home)
            undo.callback(os.close, lock)
            undo.callback(home.unlink, pidfile.NAME)
        pidfile.write(lock)
        names = home.names()
        strangers = _find_strangers(home, names)
        kept = {pidfile.NAME, *spared, *(f"{who}.pipe" for who in strangers.values())}
        home.clear(frozenset(kept))
        pipe = home.file(MASTER_PIPE)
        fifo.make(pipe)
        return cls(
            home,
            lock,
            fifo.open_both(pipe),
            os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC),
            Lifeline.make(),
            Scoreboard(),
            strangers,
            rundir.first_serial(names),
        )

    @property
    def pipe(self) -> str:
        """The path of the master's pipe."""
        return self.rundir.file(MASTER_PIPE)

    @property
    def masters_own(self) -> list[int]:
        """Descriptors that no worker may keep."""
        return [self.rundir.fd, self.lock, self.inlet, self.lifeline.held, *self.strangers]

    def stranger_gone(self, fd: int) -> WorkerId:
        """Remove the pipe of a former master's worker that has ended."""
        who = self.strangers.pop(fd)
        os.close(fd)
        self.rundir.unlink(f"{who}.pipe")
        return who

    def close(self, spared: tuple[str, ...] = (), keep_lock: bool = False) -> None:
        """Leave nothing behind but what former masters' living workers still read."""
        kept = {pidfile.NAME, *spared, *(f"{who}.pipe" for who in self.strangers.values())}
        self.rundir.clear(frozenset(kept))
        self.lifeline.close()
        self.board.close()
        for fd in (self.inlet, self.to_master, *self.strangers):
            os.close(fd)
        if not keep_lock:
            self.rundir.unlink(pidfile.NAME)
            self.rundir.remove()
            os.close(self.lock)
        self.rundir.close()


def _take_lock(name: str, home: RunDir) -> int:
    path = home.file(pidfile.NAME)
    lock = pidfile.take(path)
    if lock is None:
        raise AlreadyRunning(f"{name} runs already, as pid {pidfile.holder(path)}")
    return lock


def _find_strangers(home: RunDir, names: list[str]) -> dict[int, WorkerId]:
    strangers = {}
    for name in names:
        who = WorkerId.parse(name.removesuffix(".pipe"))
        fd = fifo.open_for_writing(name, home.fd) if who else None
        if who is not None and fd is not None:
            strangers[fd] = who
    return strangers
