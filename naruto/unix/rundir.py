"""The run directory: where a service's pipes are, made so that it can be trusted.

Its place is made from name and uid only. It has mode 0700, belongs to the effective user,
and neither it nor what naruto makes above it is a symbolic link: whoever can write into it
can give orders.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time

import attrs

from ..errors import RunDirError
from . import pidfile

MASTER_PIPE = "master.pipe"
_WORKER_PIPE = re.compile(r".+-[0-9]{1,4}\.([0-9]{1,18})\.pipe")


def base() -> str:
    """The directory that holds the run directories of this user's services."""
    uid = os.geteuid()
    return "/run/naruto" if uid == 0 else f"/tmp/naruto-{uid}"


def place(name: str, run_dir: str | None) -> str:
    """Return the path of a service's run directory."""
    return run_dir or f"{base()}/{name}"


@attrs.define
class RunDir:
    """A run directory that is there and can be trusted.

    Attributes:
        fd: The open directory, held under a shared flock, which cleaners of old files
            respect (tmpfiles.d(5)).
    """

    path: str
    fd: int

    @classmethod
    def make(cls, path: str) -> RunDir:
        """Make the run directory, or accept the one that is there.

        Raises:
            RunDirError: It can't be made, or can't be trusted.
        """
        try:
            if os.path.dirname(path) == base():
                os.close(_make_and_open(base()))
            return cls(path, _make_and_open(path))
        except OSError as error:
            raise RunDirError(f"run directory {path}: {_reason(error)}") from None

    def changes(self) -> tuple[int, ...]:
        """Return numbers that are others when a file in it, or itself, was made or removed."""
        status = os.fstat(self.fd)
        return status.st_ino, status.st_nlink, status.st_mtime_ns, status.st_ctime_ns

    def remade(self) -> bool:
        """Make the directory anew if it's no longer at its path; return whether it was not.

        Raises:
            RunDirError: What is there now can't be trusted, or nothing can be made there.
        """
        try:
            if os.path.samestat(os.stat(self.path, follow_symlinks=False), os.fstat(self.fd)):
                return False
        except OSError:
            pass  # it's gone
        anew = RunDir.make(self.path)
        os.dup2(anew.fd, self.fd, inheritable=False)
        anew.close()
        self.hold()
        return True

    def hold(self) -> None:
        """Keep cleaners of old files away."""
        fcntl.flock(self.fd, fcntl.LOCK_SH)

    def file(self, name: str) -> str:
        """The path of a file in it."""
        return f"{self.path}/{name}"

    def names(self) -> list[str]:
        """What is in it."""
        return sorted(os.listdir(self.fd))

    def unlink(self, name: str) -> str:
        """Remove a file; return why it could not be removed, or nothing."""
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            pass  # gone already is what was wanted
        except OSError as error:
            return f"{name} could not be removed: {error.strerror}"
        return ""

    def clear(self, spared: frozenset[str] = frozenset()) -> list[str]:
        """Remove every file of ours but those named; return why any could not be."""
        doomed = [
            name
            for name in self.names()
            if name not in spared and (name.endswith(".pipe") or name == pidfile.NAME)
        ]
        return [problem for name in doomed if (problem := self.unlink(name))]

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)

    def remove(self) -> None:
        """Remove the directory itself, if it's empty."""
        try:
            os.rmdir(self.path)
        except OSError:
            pass  # something of the user's is in it, or it's gone: both are fine


def first_serial(names: list[str]) -> int:
    """Return a serial that no worker of this run directory ever had.

    Milliseconds since the machine was booted: no master forks a thousand times a second
    for long, so the next one begins beyond what the last one used, though it left nothing.
    After a boot no old worker lives, and serials still in the names count as well.
    """
    taken = [int(match[1]) for name in names if (match := _WORKER_PIPE.fullmatch(name))]
    return max([time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000, *taken]) + 1


def _make_and_open(path: str) -> int:
    try:
        os.mkdir(path, 0o700)
        os.chmod(path, 0o700)  # whatever the umask has taken away
    except FileExistsError:
        pass  # looked at below: it has to be as we would have made it
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            what = "a symbolic link" if os.path.islink(path) else "no directory"
            raise RunDirError(
                f"run directory {path}: it is {what}; nothing was changed"
            ) from None
        raise
    problem = _problem(os.fstat(fd))
    if problem:
        os.close(fd)
        raise RunDirError(f"run directory {path}: {problem}")
    return fd


def _problem(status: os.stat_result) -> str:
    if status.st_uid != os.geteuid():
        return f"belongs to uid {status.st_uid}, not to us (uid {os.geteuid()})"
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        return (
            f"others may use it (mode {mode:04o}); chmod 0700 it, or choose another --run-dir"
        )
    return ""


def _reason(error: OSError) -> str:
    reason = f"{error.strerror}"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC):
        reason += "; name another place with --run-dir"
    elif error.errno == errno.ENOENT:
        reason += ": the directory above it does not exist"
    elif error.errno == errno.ENAMETOOLONG:
        reason += "; name a shorter one with --run-dir"
    return reason
