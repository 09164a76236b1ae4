"""The check before a restart or an upgrade: the program itself, run once in a child."""

from __future__ import annotations

import os
import signal

import attrs

from ..again import PASSED, CommandLine
from ..core import events
from ..core.deaths import in_words
from ..unix import children, lastwords


@attrs.define
class Probe:
    """A check that may be under way.

    Attributes:
        identity: What starts must be the service of that identity.
        pid: The child; 0 where no check is under way.
        output: Takes what the child prints.
    """

    command_line: CommandLine
    identity: str
    pid: int = 0
    output: int = -1

    def start(self, state: int | None = None) -> events.Probed | None:
        """Start it; return its end only where the kernel would not give a process.

        Args:
            state: What an upgrade would hand over, in a memfd; it's closed.
        """
        self.output = -1
        try:
            self.output = lastwords.make()
            self.pid = self.command_line.probe(self.output, self.identity, state)
        except OSError as error:
            if self.output >= 0:
                os.close(self.output)
            return events.Probed(False, f"fork: {error.strerror}")
        finally:
            if state is not None:
                os.close(state)
        return None

    def kill(self) -> None:
        """End it: it takes too long, or nobody needs it any more."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def bury(self, ended: children.Ended) -> events.Probed | None:
        """Judge by how it ended and what it has printed; None for any other child."""
        if ended.pid != self.pid:
            return None
        self.pid = 0
        text = lastwords.read(self.output)
        os.close(self.output)
        ok = ended.code == 0 and text.endswith(PASSED)
        how = f"it ended with {in_words(ended.code, ended.signal)}"
        return events.Probed(ok, "" if ok else text or how)

    def close(self) -> None:
        """Reap what was killed when the end began."""
        if self.pid:
            self.bury(children.reap(self.pid))

    @property
    def descriptors(self) -> list[int]:
        """What no worker may keep."""
        return [self.output] if self.pid else []
