"""The lifeline: a pipe whose only write end is the master's.

Nothing is ever written into it. When the master is dead, however it died, the kernel
closes its end, and every reader sees the end of the file. A FIFO opened O_RDWR never
shows one, and PR_SET_PDEATHSIG follows the parent thread (prctl(2)).
"""

from __future__ import annotations

import os

import attrs


@attrs.define
class Lifeline:
    """Both ends of the pipe; a worker must drop the master's at once.

    Attributes:
        held: The write end: the master lives while it's open.
        watched: The read end, which becomes readable when the master is dead.
    """

    held: int
    watched: int

    @classmethod
    def make(cls) -> Lifeline:
        """Open a new lifeline."""
        watched, held = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        return cls(held, watched)

    def close(self) -> None:
        """Let go of both ends."""
        os.close(self.held)
        os.close(self.watched)
