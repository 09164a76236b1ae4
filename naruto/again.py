"""The program's own command line: run once more to check it, or exec'd to restart.

Either way the program comes to ``Manager.run`` again, and finds in the environment what it
is there for. The names begin with an underscore: they are no settings.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import NoReturn

import attrs

from .unix import children, dispositions

PROBE = "_NARUTO_PROBE"
PROBED_STATE = "_NARUTO_PROBED_STATE"
RESTART = "_NARUTO_RESTART"
UPGRADE = "_NARUTO_UPGRADE"
PASSED = "naruto: the program starts"
"""The last line that a probe prints when all is well."""


@attrs.frozen
class Restart:
    """What a restarted master inherits from itself; nothing at a first start.

    Attributes:
        lock: The descriptor of the locked pid file.
        inlet: The master's pipe, open: what is written meanwhile is not lost.
        clients: Reply pipes of those who wait for the new service.
        text: What they shall read besides: which loops had to be killed.
    """

    lock: int | None = None
    inlet: int | None = None
    clients: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def inherited(cls) -> Restart | None:
        """Take it out of the environment, where no child shall find it."""
        given = json.loads(os.environ.pop(RESTART, "null"))
        if not given or given.pop("pid") != os.getpid():
            return None
        kept = cls(**{**given, "clients": tuple(given["clients"])})
        for fd in (kept.lock, kept.inlet):
            if fd is not None:
                os.set_inheritable(fd, False)
        return kept


@attrs.frozen
class CommandLine:
    """How this program was started.

    Attributes:
        directory: The working directory as it was named, links included.
    """

    argv: tuple[str, ...]
    directory: str
    environ: Mapping[str, str]

    @classmethod
    def of_this_program(cls, directory: str) -> CommandLine:
        """Remember it, before anything changes."""
        return cls((sys.executable, *sys.orig_argv[1:]), directory, dict(os.environ))

    def probe(self, output: int, identity: str, state: int | None = None) -> int:
        """Run it in a child that only checks, and return the child's pid.

        Args:
            output: The descriptor that takes what it prints.
            identity: Name and run directory, which it must still have.
            state: The descriptor of what an upgrade would hand over, to be understood.

        Raises:
            OSError: It can't be forked.
        """
        pid = children.fork()
        if pid:
            return pid
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            if state is not None:
                os.set_inheritable(state, True)
            self._exec({PROBE: identity, PROBED_STATE: "" if state is None else str(state)})
        except BaseException as error:
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(1)

    def restart(self, kept: Restart) -> NoReturn:
        """Become the program anew, under the same pid, and keep what ``kept`` says.

        Pending signals stay pending over the exec, because they are blocked.
        """
        for fd in (kept.lock, kept.inlet):
            if fd is not None:
                os.set_inheritable(fd, True)
        given = {"pid": os.getpid(), **attrs.asdict(kept)}
        self._exec({RESTART: json.dumps(given)})

    def upgrade(self, state: int, kept: Iterable[int]) -> NoReturn:
        """Become the program of today, under the same pid, which goes on with everything.

        Args:
            state: The descriptor of what is handed over; closed where that fails.
            kept: Every other descriptor that must stay open.

        Raises:
            OSError: The kernel would not; nothing has changed.
        """
        for fd in (state, *kept):
            os.set_inheritable(fd, True)
        try:
            self._exec({UPGRADE: json.dumps({"pid": os.getpid(), "state": state})})
        except OSError:
            os.close(state)
            for fd in kept:
                os.set_inheritable(fd, False)
            raise

    def _exec(self, more: Mapping[str, str]) -> NoReturn:
        os.chdir(self.directory)
        if PROBE in more:
            dispositions.restore_defaults()
        os.execve(self.argv[0], self.argv, {**self.environ, **more})


def handed_over() -> int | None:
    """Take the descriptor of what was handed over out of the environment, if there is one."""
    given = json.loads(os.environ.pop(UPGRADE, "null"))
    if not given or given["pid"] != os.getpid():
        return None
    return int(given["state"])


def is_probe() -> bool:
    """Whether this process is only there to check that the program starts."""
    return PROBE in os.environ
