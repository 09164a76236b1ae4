"""Who loses a parent below a subreaper becomes its child, and can be known by its marks."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

from naruto.unix import subreaper
from tests.unix.forked import in_child


def _daemonised(mark: str) -> int:
    """Start a process that has left its session and lost its parent; return its pid."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        process = subprocess.Popen(["sleep", "1000"], env={**os.environ, "MARK": mark})
        os.write(writer, str(process.pid).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    return int(os.read(reader, 32))


def test_a_daemonised_grandchild_comes_back() -> None:
    """It has left the group and the session, and is our child all the same."""

    def work() -> Any:
        subreaper.become()
        before = subreaper.children()
        stray = _daemonised("seven")
        found = subreaper.children()
        environ = subreaper.environ_of(stray).split(b"\0")
        title = subreaper.title_of(stray)
        os.kill(stray, signal.SIGKILL)
        reaped = os.waitpid(stray, 0)[0] == stray
        return before, found == [stray], b"MARK=seven" in environ, title.decode(), reaped

    assert in_child(work) == [[], True, True, "sleep\0001000\000", True]


def test_children_without_the_kernels_list() -> None:
    """Where the kernel keeps no list, everybody is looked at; the result is the same."""

    def work() -> Any:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        found = subreaper._by_parent(os.getpid()), subreaper.children()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return found == ([pid], [pid])

    assert in_child(work) is True


def test_the_dead_have_no_marks() -> None:
    """A process that is gone says nothing, and nothing is raised."""
    process = subprocess.Popen(["true"])
    process.wait()
    assert subreaper.environ_of(process.pid) == subreaper.title_of(process.pid) == b""
