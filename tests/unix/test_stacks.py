"""A stuck or crashed process says where; signals in a crowd do not kill it."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from naruto.unix import stacks
from tests.service import eventually
from tests.unix.forked import end, in_child

MANY = [
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2),
    *(signal.SIGPIPE, signal.SIGALRM, signal.SIGTERM, signal.SIGXFSZ, signal.SIGVTALRM),
    *(signal.SIGPROF, signal.SIGWINCH, signal.SIGIO, signal.SIGPWR, signal.SIGCHLD),
    *range(signal.SIGRTMIN, signal.SIGRTMIN + 16),
]


@contextmanager
def _armed(work: Callable[[], object]) -> Iterator[tuple[int, int]]:
    """Yield the pid of a child that is armed and works, and what its stacks are written to.

    The pipe has the child's end only: its end is the end of all who could write.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            stacks.arm(writer)
            os.write(writer, b"armed\n")
            work()
        finally:
            os._exit(1)
    os.close(writer)
    try:
        assert os.read(reader, 6) == b"armed\n"
        yield pid, reader
    finally:
        os.close(reader)
        end(pid)


def _read_until(reader: int, word: bytes) -> bytes:
    text = b""
    while word not in text:
        more = os.read(reader, 65536)
        assert more, text
        text += more
    return text


def _read_all(reader: int) -> bytes:
    return b"".join(iter(lambda: os.read(reader, 65536), b""))


def _sleeps(pid: int) -> None:
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def _stuck_in_python() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _stuck_in_c() -> None:
    """Lock a mutex twice: interrupted by nothing, and the interpreter lock is held."""
    libc = ctypes.PyDLL(None)
    mutex = ctypes.create_string_buffer(64)  # zeros: PTHREAD_MUTEX_INITIALIZER
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def _crashed() -> None:
    ctypes.string_at(0)


def _overflowed() -> None:
    """Use up the usual stack: only a handler with a stack of its own can still speak."""
    faulthandler._stack_overflow()  # type: ignore[attr-defined]


@pytest.mark.parametrize("stuck", [_stuck_in_python, _stuck_in_c])
def test_a_stuck_process_says_where(stuck: Callable[[], None]) -> None:
    """The dump names the function, twice when asked twice; nothing is ended by it."""
    with _armed(stuck) as (pid, reader):
        eventually(lambda: _sleeps(pid))
        for _ in range(2):
            stacks.ask(pid)
            _read_until(reader, f"in {stuck.__name__}\n".encode())
            eventually(lambda: _sleeps(pid))


@pytest.mark.parametrize("crashed", [_crashed, _overflowed])
def test_a_crashed_process_says_where(crashed: Callable[[], None]) -> None:
    """A segfault leaves the stack, and is still the death of it."""
    with _armed(crashed) as (pid, reader):
        said = _read_all(reader)
        assert b"Segmentation fault" in said
        assert f"in {crashed.__name__}\n".encode() in said
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGSEGV


def test_all_threads_are_shown() -> None:
    """A deadlock takes two: every thread is in the dump."""

    def second(started: threading.Event) -> None:
        started.set()
        _stuck_in_python()

    def work() -> None:
        started = threading.Event()
        threading.Thread(target=second, args=(started,), daemon=True).start()
        started.wait()
        _stuck_in_python()

    said: list[bytes] = []

    def both_are_there() -> None:
        stacks.ask(pid)  # again: one that comes in the middle of a dump is dropped
        if select.select([reader], [], [], 0.02)[0]:
            said.append(os.read(reader, 65536))
        assert b"in second\n" in b"".join(said)
        assert b"in work\n" in b"".join(said)

    with _armed(work) as (pid, reader):
        eventually(both_are_there)


def _crowd() -> Any:
    """Have many handled signals pending, and let all of them in at once."""
    seen = []
    for number in MANY:
        signal.signal(number, lambda number, frame: seen.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, MANY)
    for number in MANY:
        os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, MANY)
    return len(seen), len(MANY)


def test_a_crowd_of_signals_is_survived() -> None:
    """Each handler stands on the frame of the one before: the stack has room for all."""

    def work() -> Any:
        stacks.arm(2)
        stacks.arm(2)  # a second time keeps the stack that is there
        return _crowd()

    assert in_child(work) == [len(MANY), len(MANY)]


def test_a_forked_process_survives_the_crowd_as_well() -> None:
    """What is forked after that has the stack too, disarmed or not."""

    def work() -> Any:
        stacks.arm(2)
        stacks.disarm()
        return in_child(_crowd)

    assert in_child(work) == [len(MANY), len(MANY)]


def test_armed_after_its_parent_has_widened_the_stack() -> None:
    """A worker takes over its master's, though the master has never been armed itself."""

    def work() -> Any:
        faulthandler.disable()  # as it is in a master; pytest's own is on
        stacks.widen()
        assert not faulthandler.is_enabled()
        return in_child(armed)

    def armed() -> Any:
        stacks.arm(2)
        return _crowd()

    assert in_child(work) == [len(MANY), len(MANY)]


def test_disarmed_nothing_is_written() -> None:
    """A process of the user's own says nothing, neither asked nor when it crashes."""

    def work() -> None:
        if (pid := os.fork()) == 0:
            stacks.disarm()
            os.kill(os.getpid(), signal.SIGURG)
            _crashed()
        _, status = os.waitpid(pid, 0)
        os.write(2 if status == 0 else reported, str(status & 0x7F).encode())
        os._exit(0)

    seen, reported = os.pipe2(os.O_CLOEXEC)
    with _armed(work) as (_, reader):
        os.close(reported)
        assert _read_all(reader) == b""
        assert os.read(seen, 10) == b"11"
    os.close(seen)


def test_asked_too_early_kills_nobody() -> None:
    """A process that isn't armed yet ignores the question."""

    def work() -> str:
        stacks.ask(os.getpid())
        return "alive"

    assert in_child(work) == "alive"


def test_nobody_there_to_ask() -> None:
    """A process that is gone can't be asked."""
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises(ProcessLookupError):
        stacks.ask(pid)
