"""Spare descriptors: a process that has run out of them can still answer and clear up."""

from __future__ import annotations

import os

import attrs

NUMBER = 8
"""How many are kept: a few answers at a time, and what a directory's listing takes."""


@attrs.define
class Spare:
    """Descriptors that are open for nothing.

    Attributes:
        descriptors: Those that are kept just now.
    """

    descriptors: list[int] = attrs.field(factory=list)

    @classmethod
    def kept(cls) -> Spare:
        """Keep as many as there are to be had."""
        spare = cls()
        spare.refill()
        return spare

    def release(self) -> None:
        """Give them all to whoever opens something next."""
        while self.descriptors:
            os.close(self.descriptors.pop())

    def refill(self) -> None:
        """Keep as many again, if there are as many."""
        try:
            while len(self.descriptors) < NUMBER:
                self.descriptors.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            pass  # EMFILE, ENFILE: what can't be kept now may be at the next time
