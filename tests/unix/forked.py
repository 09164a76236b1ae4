"""Work done in a forked child, so that signals, locks and limits are a process's own.

The child has one thread only, whatever threads the test runner has.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

ROOT = os.geteuid() == 0


def in_child(work: Callable[[], object]) -> Any:
    """Do something in a child; return what it returned, by way of JSON.

    Raises:
        AssertionError: It raised; the text is the traceback.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _answer(work, writer)
    os.close(writer)
    with open(reader) as answer:
        text = answer.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, text or f"it ended with {os.waitstatus_to_exitcode(status)}"
    return json.loads(text)


def _answer(work: Callable[[], object], writer: int) -> NoReturn:
    status, text = 1, ""
    try:
        text, status = json.dumps(work()), 0
    except BaseException:
        text = traceback.format_exc()
    finally:
        os.write(writer, text.encode())
        os._exit(status)


@contextmanager
def living(work: Callable[[], object]) -> Iterator[int]:
    """Yield the pid of a child that works, and then waits for its end; it is killed at last."""
    ready, said = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os.write(said, b"r")
            while True:
                signal.pause()
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(1)
    os.close(said)
    try:
        assert os.read(ready, 1) == b"r", "the child failed"
        yield pid
    finally:
        os.close(ready)
        end(pid)


def end(pid: int) -> None:
    """Kill a child of ours and reap it; nothing if that has been done."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # the test has done it
