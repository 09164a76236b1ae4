"""The reaper: nothing that the bench has started outlives its measure, whatever that was."""

from __future__ import annotations

import os
import signal

import attrs

from naruto.unix import subreaper


@attrs.define
class Reaper:
    """Parent of all that is started here, and of what that leaves behind.

    Attributes:
        masters: Pids of services that are being measured.
    """

    masters: set[int] = attrs.field(factory=set)

    @classmethod
    def installed(cls) -> Reaper:
        """Make this process the one that inherits orphans."""
        subreaper.become()
        return cls()

    def sweep(self) -> int:
        """Kill and reap every child that is no master; return how many there were.

        Their children become ours only when they are dead, so it goes on until none is left.
        """
        killed = 0
        while strays := [pid for pid in subreaper.children() if pid not in self.masters]:
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
            for pid in strays:
                os.waitpid(pid, 0)
            killed += len(strays)
        return killed
