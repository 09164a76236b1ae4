"""Wear: when a worker has looped, lived or grown enough to ask for its replacement.

It only measures. To ask is the loop's business, and to grant the master's.
"""

from __future__ import annotations

import math
import random
import time

import attrs

from ..unix import memory

SPREAD = 0.1
"""How much earlier or later than max_loops and max_lifetime say, as a share, so that workers
that began together don't all ask at once."""

LOOK_EVERY = 1.0
"""Seconds between two looks at the memory, at least: the kernel counts it page by page."""

DEAREST = 0.01
"""The share of its time that a worker may spend with that."""


@attrs.define
class Wear:
    """What a worker may do, counted from when it was READY.

    Attributes:
        loops, until: The number of loops, and the time, at which it has done enough.
        memory: How many bytes of private memory, above what it had, are enough.
    """

    loops: float
    until: float
    memory: float
    _had: int = 0
    _look_at: float = 0.0

    @classmethod
    def allowed(
        cls, loops: int | None, lifetime: float | None, memory: int | None
    ) -> Wear | None:
        """Return the limits of a worker that is READY now; None where it has none."""
        if loops is lifetime is memory is None:
            return None
        spread = random.uniform(1 - SPREAD, 1 + SPREAD)
        wear = cls(
            math.inf if loops is None else max(1, round(loops * spread)),
            math.inf if lifetime is None else time.monotonic() + lifetime * spread,
            math.inf if memory is None else memory,
        )
        wear._had = wear._measured()
        return wear

    def out(self, loops: int) -> str:
        """Say why it is worn out; nothing where it isn't.

        Args:
            loops: How many it has done.
        """
        if loops >= self.loops:
            return f"{loops} loops (max_loops)"
        now = time.monotonic()
        if now >= self.until:
            return "its age (max_lifetime)"
        if now >= self._look_at and (grown := self._measured() - self._had) >= self.memory:
            return f"{grown / 2**20:.1f} MB more than it had (max_memory)"
        return ""

    def _measured(self) -> int:
        """Measure the memory, and settle when to do it next."""
        if self.memory == math.inf:
            self._look_at = math.inf
            return 0
        began = time.monotonic()
        found = memory.private()
        now = time.monotonic()
        self._look_at = now + max(LOOK_EVERY, (now - began) / DEAREST)
        return found
