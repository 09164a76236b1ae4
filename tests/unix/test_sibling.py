"""A forked sibling is the parent's child from birth, and as good a process as any."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from naruto.unix import sibling
from tests.unix.forked import in_child


def _known() -> bool:
    def work() -> bool:
        try:
            sibling._Clone.prepare()
        except OSError as error:
            assert error.errno == errno.ENOSYS
            return False
        return True

    return bool(in_child(work))


pytestmark = pytest.mark.skipif(not _known(), reason="not known on this machine or libc")


def _say(writer: int, work: Callable[[], object]) -> NoReturn:
    """Write what work returns, or its traceback, and end."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.write(writer, json.dumps(work()).encode())
    except BaseException:
        os.write(writer, json.dumps(traceback.format_exc()).encode())
    finally:
        os._exit(0)


def _forks(work: Callable[[], object], writer: int) -> Any:
    """Fork a sibling that works; return its pid. As a process between it and its parent."""
    pid = sibling.fork_sibling()
    if pid == 0:
        _say(writer, work)
    return pid


def _in_sibling(work: Callable[[], object]) -> Any:
    """Return what work returned in a sibling of a child of a process made for it, and more.

    Called in that process. The result is the pid in the middle, what the middle says of
    the sibling's pid, what the sibling said, and its status, which we have waited for.
    """
    reader, writer = os.pipe()
    middle_reader, middle_writer = os.pipe()
    if (middle := os.fork()) == 0:
        _say(middle_writer, lambda: _forks(work, writer))
    os.waitpid(middle, 0)
    os.close(writer)
    pid = json.loads(os.read(middle_reader, 65536))
    assert isinstance(pid, int), pid
    said = b"".join(iter(lambda: os.read(reader, 65536), b""))
    _, status = os.waitpid(pid, 0)
    return middle, pid, json.loads(said or b"null"), os.waitstatus_to_exitcode(status)


def _said(work: Callable[[], object]) -> Any:
    """Do something in a sibling; return what it returned. Its end is its parent's to see."""
    _, _, said, status = in_child(lambda: _in_sibling(work))
    assert status == 0, status
    return said


def test_its_parent_is_ours() -> None:
    """It has a pid of its own, and the parent waits for it as for any child."""

    def work() -> Any:
        us = os.getpid()
        middle, pid, said, status = _in_sibling(lambda: (os.getpid(), os.getppid()))
        return said == [pid, us], len({us, middle, pid}), status

    assert in_child(work) == [True, 3, 0]


def test_its_main_thread_is_itself() -> None:
    """Python and the libc know the thread by its new id, and there's no other."""

    def work() -> Any:
        main = threading.main_thread()
        return (
            main is threading.current_thread(),
            main.ident == threading.get_ident(),
            threading.get_native_id() == os.getpid(),
            threading.active_count(),
            sibling._int_at(sibling._tid_address(ctypes.PyDLL(None))) == os.getpid(),
        )

    assert _said(work) == [True, True, True, 1, True]


def test_hooks_run() -> None:
    """What is registered at fork runs before, in the caller and in the sibling."""

    def middle(writer: int) -> Any:
        seen: list[str] = []
        os.register_at_fork(
            before=lambda: seen.append("before"),
            after_in_parent=lambda: seen.append("parent"),
            after_in_child=lambda: seen.append("child"),
        )
        _forks(lambda: seen, writer)
        return seen

    def work() -> Any:
        reader, writer = os.pipe()
        answer, to_answer = os.pipe()
        if (pid := os.fork()) == 0:
            _say(to_answer, lambda: middle(writer))
        os.waitpid(pid, 0)
        os.wait()
        return [json.loads(os.read(fd, 65536)) for fd in (answer, reader)]

    assert in_child(work) == [["before", "parent"], ["before", "child"]]


@pytest.mark.parametrize(
    ("how", "number"),
    [
        (lambda: ctypes.CDLL(None).abort(), signal.SIGABRT),
        (lambda: ctypes.CDLL(None)["raise"](signal.SIGTERM), signal.SIGTERM),
        (lambda: signal.raise_signal(signal.SIGUSR1), signal.SIGUSR1),
        (lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT), signal.SIGINT),
    ],
    ids=["abort", "raise", "raise_signal", "pthread_kill"],
)
def test_it_kills_itself_alone(how: Callable[[], object], number: signal.Signals) -> None:
    """Signals to itself, by an id that the libc might have kept, do not meet the caller."""

    def die() -> None:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        how()

    assert in_child(lambda: _in_sibling(die)[2:]) == [None, -number]


def test_every_signal_is_blocked() -> None:
    """No handler of the caller's runs in it; the caller's own mask is as it was."""

    def middle(writer: int) -> Any:
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR2})
        _forks(lambda: sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), writer)
        return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    def work() -> Any:
        reader, writer = os.pipe()
        answer, to_answer = os.pipe()
        if (pid := os.fork()) == 0:
            _say(to_answer, lambda: middle(writer))
        os.waitpid(pid, 0)
        os.wait()
        return [json.loads(os.read(fd, 65536)) for fd in (answer, reader)]

    every = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
    assert in_child(work) == [[signal.SIGUSR2], every]


def test_it_starts_threads() -> None:
    """Threads, and a lock between them."""

    def work() -> Any:
        lock, seen = threading.Lock(), []

        def add(number: int) -> None:
            with lock:
                seen.append(number)

        threads = [threading.Thread(target=add, args=(n,)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(seen)

    assert _said(work) == list(range(10))


def test_it_forks_and_runs_programs() -> None:
    """Its children are its own, be they forked or programs."""

    def work() -> Any:
        if (pid := os.fork()) == 0:
            os._exit(7)
        _, status = os.waitpid(pid, 0)
        program = "import os; print(os.getppid())"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        return os.waitstatus_to_exitcode(status), int(done.stdout) == os.getpid()

    assert _said(work) == [7, True]


def test_it_forks_siblings_as_well() -> None:
    """A sibling of a sibling is one of the same parent's."""

    def work() -> Any:
        us = os.getpid()
        reader, writer = os.pipe()
        _in_sibling(lambda: _forks(lambda: (os.getpid(), os.getppid()), writer))
        os.close(writer)
        pid, parent = json.loads(os.read(reader, 100))
        return os.waitpid(pid, 0)[1], parent == us

    assert in_child(work) == [0, True]


def test_it_allocates() -> None:
    """The heap is whole: much is allocated, freed and allocated again."""

    def work() -> Any:
        kept: list[bytearray] = []
        for number in range(20_000):
            kept.append(bytearray(number % 5_000))
            if number % 3 == 0:
                kept[number // 2] = bytearray()
        big = [bytes(1 << 20) for _ in range(50)]
        return len(kept), sum(len(one) for one in big)

    assert _said(work) == [20_000, 50 << 20]


def test_robust_mutexes_are_known_to_the_kernel() -> None:
    """Its list is registered, at the same place as the caller's: databases need it."""

    def robust() -> Any:
        return sibling._robust_list(ctypes.PyDLL(None), sibling._CALLS[os.uname().machine])

    head, size = _said(robust)
    assert [head, size] == in_child(robust)
    assert head != 0 and size > 0


def test_two_hundred_in_a_row() -> None:
    """Every one of them ends as it should, and all of them are ours to wait for."""

    def middle() -> Any:
        for number in range(200):
            if sibling.fork_sibling() == 0:
                os._exit(number % 100)

    def work() -> Any:
        if (pid := os.fork()) == 0:
            try:
                middle()
                os._exit(0)
            finally:
                os._exit(1)
        ends = sorted(os.waitstatus_to_exitcode(status) for _, status in _all_ended())
        return pid, ends

    assert in_child(work)[1] == sorted([*range(100), *range(100), 0])


def _all_ended() -> Iterator[tuple[int, int]]:
    while True:
        try:
            yield os.wait()
        except ChildProcessError:
            return


def test_not_with_threads() -> None:
    """Python's threads or others: their locks would stay locked for ever in the sibling."""

    def work() -> Any:
        stop = threading.Event()
        threading.Thread(target=stop.wait, daemon=True).start()
        try:
            sibling.fork_sibling()
        except RuntimeError as error:
            return str(error)

    assert in_child(work) == "fork_sibling: this process has other threads"


def test_a_fork_that_fails() -> None:
    """The error is the kernel's; the hooks and the mask are as after any fork."""

    def work() -> Any:
        seen: list[str] = []
        os.register_at_fork(after_in_parent=lambda: seen.append("parent"))
        calls = sibling._CALLS[os.uname().machine]
        flags, sibling._FLAGS = sibling._FLAGS, 0x800 | sibling._FLAGS  # CLONE_SIGHAND alone
        try:
            sibling.fork_sibling()
        except OSError as error:
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            return errno.errorcode[error.errno or 0], seen, list(mask), bool(calls and flags)

    assert in_child(work) == ["EINVAL", ["parent"], [], True]
