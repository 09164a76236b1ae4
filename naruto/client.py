"""A client of a running service: it asks through the master's pipe and waits for the answer.

Each request has a reply pipe of its own in the run directory. The master's death is seen
by a pidfd, so that nobody waits for an answer that will never come.
"""

from __future__ import annotations

import json
import math
import os
import pwd
import select
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from .core.messages import encode, printable
from .errors import Failed, NotRunning, SettingsError
from .unix import fifo, pidfd, services
from .unix.rundir import MASTER_PIPE
from .unix.timeouts import milliseconds

PATIENCE = 5.0
"""Seconds after which a master that doesn't read its pipe is given up."""

PROGRESS_EVERY = 0.5
"""Seconds between two looks at how far a request has come."""


class TooLate(Failed):
    """No answer came in time. What was asked for goes on."""


@attrs.frozen
class Client:
    """One service that runs.

    Attributes:
        path: The run directory.
        pid: The master's pid.
    """

    path: str
    pid: int

    @classmethod
    def of(cls, path: str, name: str) -> Client:
        """Return a client of the service in a run directory.

        Raises:
            NotRunning: There is none.
        """
        pid = services.running(path)
        if pid is None:
            raise NotRunning(f"{name} is not running (run directory {path})")
        return cls(path, pid)

    def tell(self, verb: str, *, timeout: float | None = None, **args: Any) -> None:
        """Ask for something and wait for nothing but room in the master's pipe.

        Raises:
            NotRunning: Nobody reads it.
            TooLate: It's full, and the master does not read it in time.
        """
        try:
            message = encode(verb, {"by": _myself(), **args})
        except ValueError as error:
            raise SettingsError(str(error)) from None
        end = time.monotonic() + (PATIENCE if timeout is None else min(timeout, PATIENCE))
        fd = self._open(end)
        room = select.poll()
        room.register(fd, select.POLLOUT)
        try:
            while room.poll(milliseconds(end - time.monotonic())):
                try:
                    os.write(fd, message)
                    return
                except BlockingIOError:
                    continue  # somebody else was faster with the last room
            raise TooLate(f"the master (pid {self.pid}) does not read its pipe")
        except BrokenPipeError:
            raise NotRunning(f"the master (pid {self.pid}) has just ended") from None
        finally:
            os.close(fd)

    def _open(self, end: float) -> int:
        """Open the master's pipe; one that has just started has yet to make it."""
        path = f"{self.path}/{MASTER_PIPE}"
        owner = os.stat(self.path).st_uid
        while (fd := fifo.open_for_writing(path, owner=owner)) is None:
            if services.running(self.path) != self.pid:
                raise NotRunning(f"nobody reads {path}")
            if time.monotonic() >= end:
                raise Failed(
                    f"nobody reads {path}; kill -TERM {self.pid} stops the service too"
                )
            time.sleep(0.01)
        return fd

    def ask(
        self,
        verb: str,
        *,
        timeout: float | None = None,
        progress: Callable[[], None] | None = None,
        **args: Any,
    ) -> dict[str, Any]:
        """Ask for something and wait for the answer.

        Args:
            verb: What for.
            timeout: Seconds to wait; None for ever. Nothing is called off by it.
            progress: Called now and then while waiting.
            **args: What the verb needs.

        Raises:
            NotRunning: The master had ended before it was asked.
            TooLate: The time is over.
            Failed: It died before it answered.
        """
        with self._waiting() as (name, wait):
            self.tell(verb, timeout=timeout, reply=name, **args)
            return wait(timeout, progress)

    def ended(self, *, process: bool) -> None:
        """Wait until a master that has answered for the last time is gone.

        Args:
            process: Wait for its process; else, where a program runs it that goes on, for
                its lock.
        """
        fd = pidfd.watch(self.pid) if process else None
        if fd is not None:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll()
            os.close(fd)
        while services.running(self.path) == self.pid:
            time.sleep(0.005)

    @contextmanager
    def _waiting(self) -> Iterator[tuple[str, Callable[..., dict[str, Any]]]]:
        death = pidfd.watch(self.pid)
        if death is None:
            raise NotRunning(f"the master (pid {self.pid}) has just ended")
        name = f"reply-{os.urandom(8).hex()}.pipe"
        path = f"{self.path}/{name}"
        try:
            fifo.make(path)
            inlet = fifo.open_both(path)
            if os.geteuid() == 0:  # the master answers only at a pipe of its own user's
                os.chown(path, os.stat(self.path).st_uid, -1)
        except OSError as error:
            os.close(death)
            raise Failed(
                f"{path}: {error.strerror}; kill -TERM {self.pid} stops the service too"
            ) from None
        try:
            yield name, lambda timeout, progress: self._wait(inlet, death, timeout, progress)
        finally:
            os.close(inlet)
            os.close(death)
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass  # the master has cleared up when it ended

    def _wait(
        self,
        inlet: int,
        death: int,
        timeout: float | None,
        progress: Callable[[], None] | None,
    ) -> dict[str, Any]:
        poll = select.poll()
        poll.register(inlet, select.POLLIN)
        poll.register(death, select.POLLIN)
        end = math.inf if timeout is None else time.monotonic() + timeout
        data = b""
        while not data.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0:
                raise TooLate(f"not done within {timeout:g} s; the service goes on with it")
            pause = min(left, PROGRESS_EVERY) if progress else left
            ready = poll.poll(milliseconds(pause))
            chunk = fifo.read(inlet)
            data += chunk
            if not chunk and any(fd == death for fd, _ in ready):
                raise Failed(f"the master (pid {self.pid}) died before it answered")
            if not ready and progress:
                progress()
        answer: dict[str, Any] = json.loads(data)
        return answer


def _myself() -> str:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"pid {os.getpid()} of user {user}"


def waits_for(service: Mapping[str, Any]) -> str:
    """Say who is still in which loop, and for how long."""
    leaving = [
        f"{group['name']}-{worker['index']} {_doing(worker)}"
        for group in service["groups"]
        for worker in group["workers"]
        if worker["state"] in ("leaving", "holding", "starting", "done", "killed")
    ]
    more = f" and {len(leaving) - 3} more" if len(leaving) > 3 else ""
    return f"waits for {', '.join(leaving[:3])}{more}" if leaving else service["state"]


def _doing(worker: Mapping[str, Any]) -> str:
    if worker.get("loop_age") is None:
        return f"({worker['state']})"
    what = f" on {printable(worker['working_on'])}" if worker.get("working_on") else ""
    return f"({worker['loop_age']:.0f} s in its loop{what})"
