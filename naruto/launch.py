"""Launching a service: in the foreground, as a daemon, or only to check that it would start."""

from __future__ import annotations

import json
import os
import pwd
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from .again import PASSED, PROBE, PROBED_STATE, Restart, handed_over
from .errors import AlreadyRunning, Failed, NarutoError, SettingsError, from_status
from .settings import Settings, Source
from .sink import LogTo
from .unix import daemon, rundir, services

if TYPE_CHECKING:
    from .supervise.handover import Handover

_INT = {signal.SIGINT}


def in_foreground(source: Source, settings: Settings, *, embedded: bool) -> int:
    """Run a service in this process until it ends; return its exit status.

    Raises:
        NarutoError: It could not be started, or a loop had to be killed at its end.
    """
    if threading.current_thread() is not threading.main_thread():
        raise NarutoError("a service must be run in the main thread: it takes signals")
    restart, handed = Restart.inherited(), _handed_over()
    if settings.log_file is not None and not (restart or handed):
        os.close(_open_log(settings.log_file, settings))
    log_for = partial(_foreground_log, embedded=embedded)
    return _supervise(source, settings, log_for, restart, handed, embedded=embedded)


def as_daemon(source: Source, settings: Settings, *, wait: bool) -> int:
    """Run a service as a daemon; return its master's pid when every worker is READY.

    Args:
        source: Where the settings come from.
        settings: What it gave.
        wait: False returns as soon as the daemon is there.

    Raises:
        NarutoError: It could not be started; no process stays.
    """
    restart, handed = Restart.inherited(), _handed_over()
    if restart or handed:  # detached already, in a former image
        _be_daemon(source, settings, [], restart, handed)
    if settings.exit_with_parent:
        raise SettingsError(
            "exit_with_parent: a daemon outlives who has started it; leave it out, or run the"
            " service in the foreground"
        )
    pid = services.running(rundir.place(settings.name, settings.run_dir))
    if pid is not None:
        raise AlreadyRunning(f"{settings.name} runs already, as pid {pid}")
    # Until the daemon has said who it is, Ctrl-C could not end it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _INT)
    try:
        is_daemon, pipe = daemon.detach(_open_log(log_path(settings), settings))
        if is_daemon:
            _be_daemon(source, settings, [pipe])
        return _await_start(pipe, settings, wait)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INT)


def as_probe(settings: Settings) -> NoReturn:
    """Check that the program still starts, for the master that wants to restart it."""
    from .checking import check

    identity = f"{settings.name} in {rundir.place(settings.name, settings.run_dir)}"
    try:
        if identity != os.environ[PROBE]:
            raise SettingsError(
                f"it would be {identity}, and it is {os.environ[PROBE]}: stop it and start anew"
            )
        check(settings)
        if state := os.environ.get(PROBED_STATE):
            _read_handover(int(state))
    except NarutoError as error:
        print(error, flush=True)
        os._exit(error.status)
    print(PASSED, flush=True)
    os._exit(0)


def _handed_over() -> Handover | None:
    """Return what the program before this one has left, under the same pid."""
    fd = handed_over()
    return None if fd is None else _read_handover(fd)


def _read_handover(fd: int) -> Handover:
    from .supervise import handover

    try:
        return handover.read(fd)
    finally:
        os.close(fd)


def log_path(settings: Settings) -> str:
    """Where a daemon writes its log: an absolute path."""
    if settings.log_file:
        return settings.log_file
    if os.geteuid() == 0:
        return f"/var/log/naruto/{settings.name}.log"
    return os.path.expanduser(f"~/.local/state/naruto/{settings.name}.log")


def _foreground_log(settings: Settings, *, embedded: bool) -> LogTo:
    asked = any(settings.origins[key] != "default" for key in ("log_file", "log_level"))
    level = settings.log_level.upper()
    asked = asked or not embedded
    return LogTo(settings.log_file, level, asked, not embedded, _log_owner(settings))


def _daemon_log(settings: Settings) -> LogTo:
    level = settings.log_level.upper()
    return LogTo(log_path(settings), level, owner=_log_owner(settings))


def _log_owner(settings: Settings) -> int | None:
    """Return the user of the first group that has one of its own."""
    users = [group.user for group in settings.groups if group.user is not None]
    return pwd.getpwnam(users[0]).pw_uid if users else None


def _supervise(
    source: Source,
    settings: Settings,
    log_for: Callable[[Settings], LogTo],
    restart: Restart | None,
    handed: Handover | None = None,
    *,
    embedded: bool = False,
    on_up: Callable[[], None] = lambda: None,
    private: Sequence[int] = (),
) -> int:
    from .master import MasterProcess

    master = MasterProcess(
        source,
        settings,
        log_for,
        embedded=embedded,
        on_up=on_up,
        restart=restart,
        handed=handed,
        private=private,
    )
    status = master.run()
    if master.again:
        master.restart()
    if status and master.exit and master.exit.text:
        raise from_status(status, master.exit.text)
    return status


def _open_log(path: str, settings: Settings) -> int:
    """Open the log, or refuse to start without it."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
        return daemon.open_log(path, _log_owner(settings))
    except OSError as error:
        raise SettingsError(
            f"log file {path}: {error.strerror}; name another with --log-file"
        ) from None


def _be_daemon(
    source: Source,
    settings: Settings,
    pipes: list[int],
    restart: Restart | None = None,
    handed: Handover | None = None,
) -> NoReturn:
    """Be the daemon: report how the start went, then supervise to the end.

    It never returns into the frames of the program that it was forked from.
    """

    def report(**what: object) -> None:
        try:
            for pipe in pipes:
                os.write(pipe, json.dumps(what).encode() + b"\n")
        except BrokenPipeError:
            pass  # who started us has read enough, or has gone: the service stays
        while "status" in what and pipes:
            os.close(pipes.pop())

    status = 1
    try:
        report(pid=os.getpid())
        up = partial(report, status=0)
        status = _supervise(
            source, settings, _daemon_log, restart, handed, on_up=up, private=pipes
        )
    except NarutoError as error:
        status = error.status
        report(status=status, text=str(error))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _await_start(report: int, settings: Settings, wait: bool) -> int:
    pid = 0
    with open(report, "rb") as lines:
        try:
            for line in lines:
                said = json.loads(line)
                pid = int(said.get("pid", pid))
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _INT)
                if said.get("status") == 0 or not wait:
                    return pid
                if "status" in said:
                    raise from_status(said["status"], said["text"])
        except KeyboardInterrupt:
            if pid:
                os.kill(pid, signal.SIGTERM)
                lines.read()  # until it's gone
            raise
    raise Failed(f"the master died before it was up; its log is {log_path(settings)}")
