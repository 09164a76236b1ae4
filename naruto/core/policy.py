"""Policy: what the master obeys for one group, out of the settings of a generation."""

from __future__ import annotations

import attrs

from .units import Share

DEFAULT_SURGE = Share(25, True)
"""A quarter of the workers."""


@attrs.frozen
class Policy:
    """What the master obeys for one group. Seconds; None waits for ever."""

    workers: int = 1
    surge: Share = DEFAULT_SURGE
    overlap: bool = True
    start_timeout: float | None = 30.0
    canary_timeout: float | None = 10.0
    stop_timeout: float | None = 25.0
    min_uptime: float = 1.0

    @property
    def in_flight(self) -> int:
        """How many indexes of the group a reload may have in flight."""
        return self.surge.of(self.workers)
