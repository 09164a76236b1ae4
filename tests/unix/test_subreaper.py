"""What descendants leave behind becomes our child, and is seen, in both ways."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naruto.unix import subreaper
from tests.unix.forked import ROOT, end, in_child, living

WAYS: list[Callable[[], object]] = [
    subreaper.children,
    lambda: sorted(subreaper._searched("/proc")),
]
both_ways = pytest.mark.parametrize("children", WAYS, ids=["listed", "searched"])


def _pause() -> int:
    """Fork a child that does nothing until it is killed."""
    if (pid := os.fork()) == 0:
        while True:
            signal.pause()
    return pid


def _daemonise(writer: int) -> None:
    """Leave a process in a session of its own behind, which says its pid when it's alone."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while os.getppid() == os.getsid(0):
                pass  # until our parent, the session's leader, has ended: nobody announces it
            os.write(writer, str(os.getpid()).encode())
            while True:
                signal.pause()
        os._exit(0)
    os._exit(0)


@both_ways
def test_a_daemonised_grandchild_is_our_child(children: Callable[[], object]) -> None:
    """It has left its session and its group, and still comes back to us, to be reaped."""

    def work() -> Any:
        subreaper.become()
        reader, writer = os.pipe()
        if (worker := os.fork()) == 0:
            _daemonise(writer)
        os.waitpid(worker, 0)
        pid = int(os.read(reader, 20))
        try:
            assert os.getsid(pid) != os.getsid(0)
            assert pid in children()  # type: ignore[operator]
        finally:
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert in_child(work) == -signal.SIGKILL


def test_a_child_of_ours_is_no_subreaper() -> None:
    """A worker does not inherit it: what a worker leaves is ours, not the worker's."""

    def work() -> Any:
        subreaper.become()
        reader, writer = os.pipe()
        if (worker := os.fork()) == 0:
            if os.fork() == 0:
                _daemonise(writer)
            signal.pause()
        pid = int(os.read(reader, 20))
        found = pid in subreaper.children()
        for one in (worker, pid):
            os.kill(one, signal.SIGKILL)
        return found

    assert in_child(work)


@both_ways
def test_children_are_ours_alone(children: Callable[[], object]) -> None:
    """The living and the zombies, and nobody's grandchildren; none when all are reaped."""

    def work() -> Any:
        reader, writer = os.pipe()
        if (mother := os.fork()) == 0:
            os.write(writer, str(_pause()).encode())
            signal.pause()
        grandchild = int(os.read(reader, 20))
        if (zombie := os.fork()) == 0:
            os._exit(0)
        os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
        first = children() == sorted([mother, zombie])
        for pid in (grandchild, mother):
            os.kill(pid, signal.SIGKILL)
        for pid in (mother, zombie):
            os.waitpid(pid, 0)
        return first, children()

    assert in_child(work) == [True, []]


@both_ways
def test_children_of_a_thread_are_ours(children: Callable[[], object]) -> None:
    """The kernel lists children thread by thread; a process has them all."""

    def work() -> Any:
        pids: list[int] = []
        done, stop = threading.Event(), threading.Event()

        def fork() -> None:
            pids.append(_pause())
            done.set()
            stop.wait()

        thread = threading.Thread(target=fork)
        thread.start()
        done.wait()
        seen = [children() == pids]
        stop.set()
        thread.join()
        seen.append(children() == pids)
        os.kill(pids[0], signal.SIGKILL)
        os.waitpid(pids[0], 0)
        return seen

    assert in_child(work) == [True, True]


def test_without_the_kernels_list(tmp_path: Path) -> None:
    """Where it lists no children, every process is asked, whatever it calls itself."""
    tmp_path.joinpath("self", "task", "1").mkdir(parents=True)
    for pid, parent in ((11, os.getpid()), (12, 1), (13, os.getpid())):
        tmp_path.joinpath(str(pid)).mkdir()
        tmp_path.joinpath(str(pid), "stat").write_text(f"{pid} (a) S 1 (b)) S {parent} 5 5")
    tmp_path.joinpath("14").mkdir()  # it has just ended
    assert subreaper.children(str(tmp_path)) == [11, 13]


def test_environment_and_title() -> None:
    """What a program was started with can be read while it lives, and not afterwards."""
    program = "print('ready', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={"A": "1", "MARK": "x y"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert subreaper.environ_of(process.pid).split(b"\0")[:2] == [b"A=1", b"MARK=x y"]
        assert subreaper.title_of(process.pid).endswith(f"-c\0{program}\0".encode())
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert subreaper.environ_of(process.pid) == subreaper.title_of(process.pid) == b""
    assert subreaper.environ_of(process.pid) == subreaper.title_of(process.pid) == b""


@pytest.mark.skipif(not ROOT, reason="only root has something to hide from another")
def test_what_is_not_ours_to_read() -> None:
    """Another user's environment is none of ours; no error."""

    def work() -> Any:
        os.setgroups([])
        os.setresgid(*3 * (65534,))
        os.setresuid(*3 * (65534,))
        return subreaper.environ_of(other).decode()

    with living(lambda: None) as other:
        assert subreaper.environ_of(other) != b""
        assert in_child(work) == ""
        end(other)
