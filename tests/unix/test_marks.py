"""Whose descendant a process is: over fork and over exec, and by the nearest worker."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from naruto.unix import marks


def said_by_a_child(act: Callable[[], str]) -> str:
    """Return what a function finds in a forked process."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, act().encode() or b"-")
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader) as found:
        return found.read()


def marked_fork(*pipes: str) -> str:
    """Wear marks, and return that of a process which was only forked."""
    for pipe in pipes:
        marks.wear(pipe)
    return said_by_a_child(lambda: marks.mark_of(os.getpid()))


def test_over_fork() -> None:
    """A fork has it, though its first environment hasn't."""
    assert said_by_a_child(lambda: marked_fork("/run/a/x-0.1.pipe")) == "/run/a/x-0.1.pipe"


def test_over_exec() -> None:
    """A program that was started has it."""

    def act() -> str:
        marks.wear("/run/a/x-0.1.pipe")
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
            return marks.mark_of(child.pid)

    assert said_by_a_child(act) == "/run/a/x-0.1.pipe"


def test_the_nearest_counts() -> None:
    """A worker that was forked within a worker is known as itself."""
    found = said_by_a_child(lambda: marked_fork("/run/a/x-0.1.pipe", "/run/b/y-0.1.pipe"))
    assert found == "/run/b/y-0.1.pipe"


def test_a_long_path() -> None:
    """Where a name has no room for it, the variable alone is left."""
    found = said_by_a_child(lambda: marked_fork("/run/a/x-0.1.pipe", "/" + "a" * 300))
    assert found != "/run/a/x-0.1.pipe"


def test_no_descriptor_stays() -> None:
    """What a worker starts gets none of naruto's."""

    def act() -> str:
        before = os.listdir("/proc/self/fd")
        marks.wear("/run/a/x-0.1.pipe")
        return "same" if os.listdir("/proc/self/fd") == before else "more"

    assert said_by_a_child(act) == "same"
