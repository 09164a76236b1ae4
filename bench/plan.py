"""What is measured, of how many workers, and how often: in full, or in under three minutes."""

from __future__ import annotations

import attrs


@attrs.frozen
class Plan:
    """One run of the bench.

    Attributes:
        repetitions: How often each figure is taken; each time all adapters take their turn.
        start: Sizes at which services are started and stopped.
        reload: Sizes at which they are reloaded under load.
        respawn: The size at which workers are killed.
        kills: How many for one figure.
        growth: Sizes between which a step must not become dearer.
        whole: Sizes at which one service is looked at from its start to its end.
        idle: Sizes at which all adapters rest; beyond, only what forks and is told to.
        idle_alone: Sizes at which only naruto and the floor rest.
        preload: Whether to measure what it saves.
        idle_seconds: How long one look at those that rest takes.
    """

    repetitions: int
    start: tuple[int, ...]
    reload: tuple[int, ...]
    respawn: int
    kills: int
    growth: tuple[int, ...]
    whole: tuple[int, ...]
    idle: tuple[int, ...]
    idle_alone: tuple[int, ...]
    idle_seconds: float
    preload: bool = True


FULL = Plan(
    repetitions=5,
    start=(4, 32, 200, 1000),
    reload=(4, 32, 200),
    respawn=4,
    kills=3,
    growth=(32, 320, 1000),
    whole=(1000,),
    idle=(32,),
    idle_alone=(1000,),
    idle_seconds=20.0,
)

QUICK = Plan(
    repetitions=3,
    start=(4, 32),
    reload=(32,),
    respawn=4,
    kills=1,
    growth=(32, 320),
    whole=(),
    idle=(32,),
    idle_alone=(),
    idle_seconds=3.0,
    preload=False,
)
