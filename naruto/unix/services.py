"""Which services of this user run, found by evidence: a locked pid file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from . import pidfile
from .rundir import base

_TITLE = re.compile(rb"naruto: master ([A-Za-z0-9_-]+) \(")


def running(path: str) -> int | None:
    """Return the pid of the master that runs in a directory, or None."""
    return pidfile.holder(f"{path}/{pidfile.NAME}")


def all_running() -> Iterator[tuple[str, str, int]]:
    """Yield name, run directory and pid of every service of this user that runs."""
    seen = set()
    for path in _under_base() | _held_by_masters():
        pid = running(path)
        if pid is not None and pid not in seen:
            seen.add(pid)
            yield _name(pid) or os.path.basename(path), path, pid


def _under_base() -> set[str]:
    try:
        return {
            entry.path for entry in os.scandir(base()) if entry.is_dir(follow_symlinks=False)
        }
    except OSError:
        return set()


def _held_by_masters() -> set[str]:
    """Find run directories that were named by --run-dir: a master has its pid file open."""
    found = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and _is_our_master(entry.name):
            found |= set(_open_run_dirs(entry.name))
    return found


def _is_our_master(pid: str) -> bool:
    try:
        ours = os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except OSError:
        return False  # it has just ended
    return ours and _title(pid).startswith(b"naruto: master ")


def former_workers(path: str) -> Iterator[tuple[int, str]]:
    """Yield the pid of each worker that has a deleted pipe of a run directory open, and which.

    A worker closes the pipes of all others first thing, so each has its own only.
    """
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and _title(entry.name).startswith(b"naruto: worker "):
            for target in _open_files(entry.name):
                if target.startswith(f"{path}/") and target.endswith(".pipe (deleted)"):
                    name = os.path.basename(target).removesuffix(" (deleted)")
                    yield int(entry.name), name


def _name(pid: int) -> str:
    """Return the name in a master's title; nothing where the title was cut off.

    What ps(1) shows has only the room that the command line had.
    """
    match = _TITLE.match(_title(str(pid)))
    return match[1].decode() if match else ""


def _title(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(4096)
    except OSError:
        return b""  # it has just ended


def _open_run_dirs(pid: str) -> Iterator[str]:
    for target in _open_files(pid):
        if os.path.basename(target) == pidfile.NAME:
            yield os.path.dirname(target)


def _open_files(pid: str) -> Iterator[str]:
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            yield os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return  # it has just ended, or has closed one meanwhile
