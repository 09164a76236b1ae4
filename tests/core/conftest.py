"""How thoroughly the random tests look: ``make thorough``, or the same schedules each time."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "thorough",
    max_examples=4000,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
