"""Premises: what a master has in the file system and the kernel, opened and closed as one.

The run directory and its lock, the master's own pipe, the lifeline, the scoreboard, and
the pipes of workers whose former master has died.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs

from .. import log
from ..again import Restart
from ..core.ids import WorkerId
from ..errors import AlreadyRunning, RunDirError, SettingsError
from ..unix import fifo, pidfd, pidfile, rundir, services
from ..unix.lifeline import Lifeline
from ..unix.oom import OomWatch
from ..unix.rundir import MASTER_PIPE, RunDir
from ..unix.scoreboard import Scoreboard
from ..unix.spare import Spare

if TYPE_CHECKING:
    from .handover import Handover


@attrs.define
class Premises:
    """Where a service lives.

    Attributes:
        lock: The descriptor of the locked pid file.
        inlets: The master's pipe, open for reading, and for writing so that it never ends.
            Several where it was deleted and made anew: older workers know the older one.
        to_master: The same for writing only: what a worker keeps of it.
        strangers: Pipes of workers whose master died, each open for writing: it shows an
            error when the worker is gone.
        first_serial: The serial of the first worker to come.
        crashed: The master before has not cleared up.
        spare: Descriptors for when there are no others.
        oom: Knows whom the kernel has killed for want of memory.
    """

    rundir: RunDir
    lock: int
    inlets: list[int]
    to_master: int
    lifeline: Lifeline
    board: Scoreboard
    strangers: dict[int, WorkerId]
    first_serial: int
    crashed: bool = False
    oom: OomWatch = attrs.field(factory=OomWatch.open)
    spare: Spare = attrs.field(factory=Spare.kept)

    @classmethod
    def open(cls, name: str, path: str | None, workers: int, kept: Restart) -> Premises:
        """Take the run directory, clear what a crashed master left, and open everything.

        Args:
            name: The service's name.
            path: The run directory, or None for the usual place.
            workers: How many lines the scoreboard must have.
            kept: What a restarted master has open already.

        Raises:
            RunDirError: The run directory won't do.
            AlreadyRunning: Another master holds the lock.
            SettingsError: There is no memory for so many workers.
        """
        with ExitStack() as undo:
            board = Scoreboard()
            undo.callback(board.close)
            try:
                board.reserve(workers)
            except OSError as error:
                raise SettingsError(
                    f"no room for {workers} workers: {error.strerror}"
                ) from None
            home = RunDir.make(rundir.place(name, path))
            undo.callback(home.close)
            try:
                premises = cls._open(name, home, board, kept, undo)
            except OSError as error:
                what = f"{os.path.basename(error.filename)}: " if error.filename else ""
                raise RunDirError(
                    f"run directory {home.path}: {what}{error.strerror}; nothing was changed"
                ) from None
            undo.pop_all()
            return premises

    @classmethod
    def _open(
        cls, name: str, home: RunDir, board: Scoreboard, kept: Restart, undo: ExitStack
    ) -> Premises:
        home.hold()
        lock, names = kept.lock, home.names()
        if lock is None:
            lock = _take_lock(name, home)
            undo.callback(os.close, lock)
            undo.callback(home.unlink, pidfile.NAME)
        crashed = pidfile.NAME in names and kept.lock is None
        pidfile.write(lock)
        names = home.names()
        strangers = _find_strangers(home, names)
        if crashed:
            strangers |= _find_strangers_without_pipe(home, set(strangers.values()))
        pipe, inlet = home.file(MASTER_PIPE), kept.inlet
        spared = {pidfile.NAME, *(f"{who}.pipe" for who in strangers.values())}
        if inlet is not None:
            spared |= {MASTER_PIPE, *_replies(names)}
        if problems := home.clear(frozenset(spared)):
            raise RunDirError(f"run directory {home.path}: {problems[0]}; nothing was changed")
        if inlet is None:
            fifo.make(pipe)
            inlet = fifo.open_both(pipe)
        return cls(
            home,
            lock,
            [inlet],
            _open_for_workers(pipe),
            Lifeline.make(),
            board,
            strangers,
            rundir.first_serial(names),
            crashed,
        )

    @classmethod
    def kept(cls, path: str, handed: Handover) -> Premises:
        """Take over what this process had open before an upgrade.

        Raises:
            RunDirError: The run directory is gone, and can't be made anew.
        """
        for fd in handed.kept:
            os.set_inheritable(fd, False)
        home = RunDir.make(path)
        home.hold()
        return cls(
            home,
            handed.lock,
            list(handed.inlets),
            handed.to_master,
            Lifeline(*handed.lifeline),
            Scoreboard.kept(handed.segments, [member.place for member in handed.members]),
            dict(handed.strangers),
            handed.state.next_serial,
        )

    @property
    def pipe(self) -> str:
        """The path of the master's pipe."""
        return self.rundir.file(MASTER_PIPE)

    @property
    def masters_own(self) -> list[int]:
        """Descriptors that no worker may keep."""
        own = [self.rundir.fd, self.lock, *self.inlets, self.lifeline.held]
        return [*own, *self.strangers, *self.oom.descriptors, *self.spare.descriptors]

    def lock_anew(self) -> bool:
        """Lock a new pid file, as ours was removed; return False where another master has."""
        lock = pidfile.take(self.rundir.file(pidfile.NAME))
        if lock is not None:
            os.close(self.lock)
            self.lock = lock
        return lock is not None

    def make_pipe_anew(self) -> bool:
        """Make the master's pipe if it's not there any more; return whether it was not."""
        if pidfile.is_at(self.inlets[-1], self.pipe):
            return False
        self.rundir.unlink(MASTER_PIPE)  # what is there is none of ours
        fifo.make(self.pipe)
        self.inlets.append(fifo.open_both(self.pipe))
        os.close(self.to_master)
        self.to_master = _open_for_workers(self.pipe)
        return True

    def stranger_gone(self, fd: int) -> WorkerId:
        """Remove the pipe of a former master's worker that has ended."""
        who = self.strangers.pop(fd)
        os.close(fd)
        self.rundir.unlink(f"{who}.pipe")
        return who

    def close(self) -> None:
        """Leave nothing behind but what former masters' living workers still read.

        If the pid file is not ours any more, somebody has removed it and another master
        has moved in: then everything that is there is that one's.
        """
        self.spare.release()
        ours = pidfile.is_at(self.lock, self.rundir.file(pidfile.NAME))
        self._clear(frozenset() if ours else frozenset(self.rundir.names()))
        for inlet in self.inlets:
            os.close(inlet)
        if ours:
            self.rundir.unlink(pidfile.NAME)
            self.rundir.remove()
        os.close(self.lock)
        self.rundir.close()

    def close_for_restart(self) -> None:
        """Keep the lock, and the master's pipe with whatever is in it, and who waits."""
        self.spare.release()
        self._clear(frozenset({MASTER_PIPE, *_replies(self.rundir.names())}))
        self.rundir.close()

    def _clear(self, spared: frozenset[str]) -> None:
        strangers = {f"{who}.pipe" for who in self.strangers.values()}
        for problem in self.rundir.clear(spared | strangers | {pidfile.NAME}):
            log.write("WARNING", problem)
        self.lifeline.close()
        self.board.close()
        self.oom.close()
        for fd in (self.to_master, *self.strangers):
            os.close(fd)


def _open_for_workers(pipe: str) -> int:
    return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _take_lock(name: str, home: RunDir) -> int:
    path = home.file(pidfile.NAME)
    end = time.monotonic() + 1.0
    while (lock := pidfile.take(path)) is None:
        pid = pidfile.holder(path)
        if pid or time.monotonic() > end:
            raise AlreadyRunning(f"{name} runs already, as pid {pid}")
        time.sleep(0.001)  # who has won has not written its pid yet, or has just ended
    return lock


def _replies(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("reply-")]


def _find_strangers(home: RunDir, names: list[str]) -> dict[int, WorkerId]:
    strangers = {}
    for name in names:
        who = WorkerId.parse(name.removesuffix(".pipe"))
        fd = fifo.open_for_writing(name, home.fd) if who else None
        if who is not None and fd is not None:
            strangers[fd] = who
    return strangers


def _find_strangers_without_pipe(home: RunDir, known: set[WorkerId]) -> dict[int, WorkerId]:
    """Find workers of a master that crashed, whose pipes were deleted: they have them open."""
    strangers = {}
    for pid, name in services.former_workers(home.path):
        who = WorkerId.parse(name.removesuffix(".pipe"))
        if who is not None and who not in known and (fd := pidfd.watch(pid)) is not None:
            strangers[fd] = who
    return strangers
