"""Birth: the steps of a new worker from the fork to its life, and its way out.

Everything the master owns is let go of first. The worker never returns from here into the
master's frames: it ends with os._exit.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
import traceback
from collections.abc import Iterable
from signal import Signals
from typing import NoReturn

import attrs

from .. import log
from ..errors import SettingsError
from ..settings import WORKER_OPTIONS, GroupSettings
from ..sink import LogTo
from ..supervise.child import Child
from ..unix import dispositions, lastwords, limits, rights, stacks
from ..unix.marks import wear
from ..unix.scoreboard import Line, Scoreboard
from ..worker import Post, WorkerProcess
from . import capture, target
from .mailbox import ORPHANED, Mailbox
from .orphan import leave_nobody
from .tracebacks import formatted


@attrs.frozen
class Cradle:
    """What a worker is given by the master.

    Attributes:
        directory: The real path of its generation's working directory.
        started_in: The real path of where the master was started.
        to_master: The master's FIFO, opened for writing.
        lifeline: The end to watch.
        ignored: Signals that were ignored when the master started.
        descriptors: The limits to go back to.
        adopts: The master is a subreaper: it inherits who is handed over.
    """

    service: str
    group: GroupSettings
    directory: str
    started_in: str
    to_master: int
    lifeline: int
    ignored: frozenset[Signals]
    descriptors: tuple[int, int]
    board: Scoreboard
    log_to: LogTo
    adopts: bool = True


def live(
    child: Child,
    cradle: Cradle,
    foreign: frozenset[int] = frozenset(),
    loaded: type[WorkerProcess] | None = None,
) -> NoReturn:
    """Be the worker: from the fork to the end of the process.

    Args:
        child: What the master knows of it.
        cradle: What it is given.
        foreign: Descriptors that belong to the master and to workers, to this one as well.
        loaded: The class of workers, in a fork of the mould; which has let go of the
            master's already, and has taken what is given.
    """
    status = 1
    mailbox = Mailbox(str(child.id), child.outbox.fd, cradle.to_master, cradle.lifeline)
    try:
        atexit._clear()
        os.setpgid(0, 0)
        if loaded is None:
            let_go(cradle, foreign.difference(child.descriptors))
        status = _worker(child, cradle, mailbox, loaded).run()
    except SettingsError as error:
        _last_words(child, str(error))
    except SystemExit as error:
        _last_words(child, f"sys.exit({error.code!r}) was called outside of business()")
        status = error.code if isinstance(error.code, int) else 1
    except BaseException as error:
        _last_words(child, formatted(error))
    finally:
        _say_done(mailbox)
        _end(status, child if mailbox.order == ORPHANED else None)


def _say_done(mailbox: Mailbox) -> None:
    """Say that there will be no more loops, also where the life ended by an error.

    Threads may keep the process alive: from here on it has stop_timeout to end.
    """
    try:
        if not mailbox.finished:
            mailbox.say("done", reason=mailbox.order)
    except Exception:
        traceback.print_exc()  # the user's code has closed our pipes: the exit tells as well


def let_go(cradle: Cradle, foreign: Iterable[int]) -> None:
    """Close what is the master's, and take /dev/null as standard input."""
    close_all(foreign)
    limits.restore_descriptors(cradle.descriptors)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _worker(
    child: Child, cradle: Cradle, mailbox: Mailbox, loaded: type[WorkerProcess] | None
) -> WorkerProcess:
    who = child.id
    stacks.arm(child.last_words)
    dispositions.become_worker(mailbox.leave_by_signal, cradle.ignored)
    name = f"{who.group}-{who.index}"
    wear(child.pipe)
    if loaded is None:
        open_log(name, cradle.log_to)
        take_what_is_given(cradle.group)
        register_exits()
    else:  # it may have no right to open the file any more
        log.rename(name)
    born: list[WorkerProcess] = []
    os.register_at_fork(after_in_child=lambda: _disown(born, mailbox, child, cradle))
    cls = loaded or load(cradle)
    post = Post(
        service=cradle.service,
        group=who.group,
        index=who.index,
        workers=cradle.group.workers,
        generation=child.generation,
        pipe=child.pipe,
        mailbox=mailbox,
        line=child.line,
        last_words=child.last_words,
        max_loops=cradle.group.max_loops,
        max_lifetime=cradle.group.max_lifetime,
        max_memory=cradle.group.max_memory,
    )
    worker = cls.create(post, born.append)
    _set(worker, cradle.group)
    worker.set_title(str(who), cradle.service)
    return worker


def load(cradle: Cradle) -> type[WorkerProcess]:
    """Import the target's code of today."""
    target.prepare_imports(cradle.directory, cradle.started_in)
    return target.load(cradle.group.target or target.DEMO)


def take_what_is_given(group: GroupSettings) -> None:
    """Take the environment, the limits and the rights of the group, before any user code.

    All that needs more rights is open by now.

    Raises:
        SettingsError: The system refuses; nobody works with more rights than were asked for.
    """
    try:
        rights.set_limits(group.limits)
        if group.nice is not None:
            rights.set_nice(group.nice)
    except (OSError, ValueError) as error:
        raise SettingsError(f"group {group.name}: {error}") from None
    take_environment_and_rights(group)


def take_environment_and_rights(group: GroupSettings) -> None:
    """Take what user code is imported with, by a worker and by whoever only checks.

    Raises:
        SettingsError: The system refuses.
    """
    if group.environment:
        os.environ.update(group.environment)
    if "TZ" in group.environment:
        time.tzset()
    if group.umask is not None:
        os.umask(group.umask)
    try:
        rights.become(group.user, group.group)
    except (OSError, ValueError) as error:
        raise SettingsError(f"group {group.name}: {error}") from None


def open_log(name: str, to: LogTo) -> None:
    """Log under a name, and let what user code prints land in the log."""
    if to.asked:
        log.take_over(name, to)
        capture.start()


def register_exits() -> None:
    """Register what the standard library had registered and atexit._clear() has dropped.

    What else was registered belongs to the master's program.
    """
    if "logging" in sys.modules:
        atexit.register(sys.modules["logging"].shutdown)
    if "multiprocessing.util" in sys.modules:
        atexit.register(sys.modules["multiprocessing.util"]._exit_function)


def _set(worker: WorkerProcess, group: GroupSettings) -> None:
    """Let settings count more than the attributes of the class."""
    for option in WORKER_OPTIONS:
        value = getattr(group, option.name)
        if value is not None:
            setattr(worker, option.name, value)


def _disown(born: list[WorkerProcess], mailbox: Mailbox, child: Child, cradle: Cradle) -> None:
    """Take everything of naruto's from a process that the worker has forked.

    Once: what that one forks has nothing left to lose but descriptors of its own, which may
    have the same numbers.
    """
    if mailbox.deaf:
        return
    mailbox.drop()
    stacks.disarm()
    os.close(child.last_words)
    for worker in born:
        worker._post = attrs.evolve(worker._post, line=Line.of_nobody())
    cradle.board.close()
    capture.undo()


def _last_words(child: Child, text: str) -> None:
    lastwords.write(child.last_words, text)
    log.write("ERROR", text)


def close_all(descriptors: Iterable[int]) -> None:
    """Close descriptors, neighbours by one system call; some may be closed already."""
    first = last = -1
    for fd in sorted(descriptors):
        if fd == last + 1:
            last = fd
            continue
        if first >= 0:
            os.closerange(first, last + 1)
        first = last = fd
    if first >= 0:
        os.closerange(first, last + 1)


def _end(status: int, alone: Child | None) -> NoReturn:
    """End as an interpreter would: threads, atexit, buffers; and then at once.

    Args:
        status: The exit status.
        alone: Who we are, where the master is dead, so that nobody else will see to what
            we leave behind.
    """
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
        capture.finish()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:
        traceback.print_exc()
    if alone:
        leave_nobody(alone.pipe)
    os._exit(status & 0xFF)
