"""Policy: what the master obeys for one group, out of the settings of a generation."""

from __future__ import annotations

import attrs

from .units import Share

DEFAULT_SURGE = Share(25, True)
"""A quarter of the workers."""


@attrs.frozen
class Policy:
    """What the master obeys for one group. Seconds; None waits for ever.

    Attributes:
        restart: Whose end is followed by a new worker: "always", "unexpected" (an exit
            code that is none of exit_codes, or a signal), "never".
        max_restarts: More of them within restart_window make the group FATAL; None never.
        slow_loop, loop_timeout: How old a loop may be before its stack is logged, and
            before it's killed; None never.
    """

    workers: int = 1
    surge: Share = DEFAULT_SURGE
    overlap: bool = True
    start_timeout: float | None = 30.0
    canary_timeout: float | None = 10.0
    stop_timeout: float | None = 25.0
    min_uptime: float = 1.0
    restart: str = "always"
    exit_codes: tuple[int, ...] = (0,)
    max_restarts: int | None = None
    restart_window: float = 60.0
    slow_loop: float | None = None
    loop_timeout: float | None = None

    @property
    def in_flight(self) -> int:
        """How many indexes of the group a reload may have in flight."""
        return self.surge.of(self.workers)

    @property
    def loop_limits(self) -> tuple[float, ...]:
        """The ages of a loop at which something is to be done."""
        return tuple(t for t in (self.slow_loop, self.loop_timeout) if t is not None)
