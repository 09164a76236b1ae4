"""Death records: what is known of each worker's end, kept for the log and for status.

An End is what the kernel, the scoreboard and the worker itself have left; a Death adds
what only the master knows: whose end it was, and who wanted it.
"""

from __future__ import annotations

import attrs

from .ids import WorkerId

KEPT = 20
"""How many records of a group are kept."""


def in_words(code: int | None, signal: str) -> str:
    """Say how a process ended: by an exit code, a signal, or nobody knows how."""
    if signal:
        return f"signal {signal}"
    if code is None:
        return "an unknown status, taken by another wait"
    return f"exit status {code}"


@attrs.frozen
class End:
    """How a process ended.

    Attributes:
        code: Its exit code; None after a signal, and where nobody knows.
        signal: The signal that ended it, without SIG; empty where none did.
        loops: How many loops it had done.
        loop_age: Seconds for which it had been in the loop that its end has cut; None
            where it was in none.
        working_on: What it was working on in that loop.
        cpu: Seconds of user and system time, those of its reaped children included.
        memory: The most memory that it had at a time, in bytes.
        oom: The evidence that the kernel killed it for want of memory; else empty.
        last_words: The end of its traceback, or of a dump of its stacks.
    """

    code: int | None = None
    signal: str = ""
    loops: int = 0
    loop_age: float | None = None
    working_on: str = ""
    cpu: float = 0.0
    memory: int = 0
    oom: str = ""
    last_words: str = ""

    @property
    def how(self) -> str:
        """The end in words."""
        return in_words(self.code, self.signal)

    @property
    def doing(self) -> str:
        """The loop that it has cut in words; nothing where it was in none."""
        if self.loop_age is None:
            return ""
        what = f", working on {self.working_on}" if self.working_on else ""
        return f"in a loop for {self.loop_age:.1f} s{what}"

    @property
    def well(self) -> bool:
        """It ended by itself, with exit status 0, between two loops."""
        return self.code == 0 and self.loop_age is None


@attrs.frozen
class Death:
    """The end of one worker.

    Attributes:
        at: When it was reaped, in seconds on the monotonic clock.
        uptime: Seconds from its fork to its end.
        killed: Why the master killed it; empty where it did not.
        told: What the master had told it: "reload", "quit", "stop", or nothing.
        by_hand: A line in its own pipe told it to leave.
    """

    worker: WorkerId
    pid: int
    generation: int
    at: float
    uptime: float
    end: End
    killed: str = ""
    told: str = ""
    by_hand: bool = False

    @property
    def by(self) -> str:
        """Who ended it, and why."""
        if self.killed:
            return f"the master: {self.killed}"
        if self.end.oom:
            return f"the kernel: {self.end.oom}"
        if self.told:
            return f"told to {self.told}"
        if self.by_hand:
            return "told to leave by a line in its pipe, or by SIGTERM"
        if self.end.signal:
            return "nobody of naruto's"
        return "nobody knows" if self.end.code is None else "itself"

    @property
    def level(self) -> str:
        """How loud the log says it."""
        if self.end.doing:
            return "error"
        asked = self.told or self.by_hand
        return "info" if asked and self.end.well and not self.killed else "warning"

    def __str__(self) -> str:
        end = self.end
        text = f"{self.worker} (pid {self.pid}, generation {self.generation}) "
        text += f"was killed ({self.killed})" if self.killed else f"ended with {end.how}"
        text += f" by {self.by.removeprefix('the kernel: ')}" if end.oom else ""
        text += f" {end.doing}" if end.doing else ""
        after = self.told or ("a line in its pipe, or SIGTERM" if self.by_hand else "")
        text += f" after {after}" if after and not self.killed else ""
        return (
            f"{text}; {end.loops} loops, up {self.uptime:.1f} s, {end.cpu:.2f} s of CPU,"
            f" at most {end.memory / 2**20:.1f} MB"
        )
