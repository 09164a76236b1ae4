"""The program's own command line: run once more to check it, or exec'd to restart.

Either way the program comes to ``Manager.run`` again, and finds in the environment what it
is there for. The names begin with an underscore: they are no settings.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

import attrs

from .unix import children, dispositions

PROBE = "_NARUTO_PROBE"
RESTART = "_NARUTO_RESTART"
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

    def probe(self, output: int, identity: str) -> int:
        """Run it in a child that only checks, and return the child's pid.

        Args:
            output: The descriptor that takes what it prints.
            identity: Name and run directory, which it must still have.

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
            self._exec({PROBE: identity})
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

    def _exec(self, more: Mapping[str, str]) -> NoReturn:
        os.chdir(self.directory)
        if PROBE in more:
            dispositions.restore_defaults()
        os.execve(self.argv[0], self.argv, {**self.environ, **more})


def is_probe() -> bool:
    """Whether this process is only there to check that the program starts."""
    return PROBE in os.environ
