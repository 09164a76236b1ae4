"""Detach from whoever started us: daemon(7), the traditional way."""

from __future__ import annotations

import os


def detach(log: int) -> tuple[bool, int]:
    """Leave the session, the terminal and the working directory behind.

    Forks twice, so that the daemon is no session leader and never gets a terminal by
    opening one. Standard input is /dev/null, standard output and error are the log.

    Args:
        log: The descriptor of the log, opened to append to; it is closed.

    Returns:
        Whether this is the daemon, and an end of a pipe: the daemon writes into it what it
        has to report, and the caller, who reads it, learns of a death from its end.

    Raises:
        OSError: The kernel would not give a process.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid != 0:
        os.close(writer)
        os.close(log)
        os.waitpid(pid, 0)  # the child in between ends at once
        return False, reader
    try:
        os.close(reader)
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        os.umask(0o022)
        os.chdir("/")
        _redirect(log)
    except BaseException as error:
        # This is no process of the caller's: nothing may unwind into its frames. That
        # the pipe ends without a word tells it that there is no daemon.
        os.write(2, f"naruto: could not detach: {error}\n".encode())
        os._exit(1)
    return True, writer


def open_log(path: str, owner: int | None = None) -> int:
    """Open a log file to append to; a FIFO must have its reader, and never blocks.

    Args:
        path: Where it is.
        owner: Whose it shall be (a uid), if root has to make it. What is there already stays
            whose it is: it may be a link that somebody has put there.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    if owner is not None and os.geteuid() == 0:
        try:
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
        except FileExistsError:
            return os.open(path, flags)
        os.fchown(fd, owner, -1)
        return fd
    return os.open(path, flags | os.O_CREAT, 0o640)


def _redirect(log: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for fd in {null, log} - {0, 1, 2}:
        os.close(fd)
