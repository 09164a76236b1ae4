"""The check before a restart: the program's own command line, run once in a child."""

from __future__ import annotations

import os
import signal

import attrs

from ..again import PASSED, CommandLine
from ..core import events
from ..unix import children, lastwords


@attrs.define
class Probe:
    """A check under way.

    Attributes:
        output: Takes what the child prints.
    """

    pid: int
    output: int

    @classmethod
    def start(cls, command_line: CommandLine, identity: str) -> Probe:
        """Start it; what starts must be the service of that identity.

        Raises:
            OSError: The kernel would not give a process.
        """
        output = lastwords.make()
        try:
            return cls(command_line.probe(output, identity), output)
        except OSError:
            os.close(output)
            raise

    def kill(self) -> None:
        """End it: it takes too long."""
        os.kill(self.pid, signal.SIGKILL)

    def ended(self, ended: children.Ended) -> events.Probed:
        """Judge by how it ended and what it has printed."""
        text = lastwords.read(self.output)
        os.close(self.output)
        ok = not ended.failed and text.endswith(PASSED)
        return events.Probed(ok, "" if ok else text or f"it ended with {ended.how}")
