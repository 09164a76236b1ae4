"""Run every measure and print a table: ``python -m bench``."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from . import latency, loop, preload

ROUNDS = 5


def main() -> None:
    """Print each figure's minimum, median and maximum, and its target."""
    print(f"{'measure':44}{'min':>8}{'median':>8}{'max':>8}   target")
    for name, target, measure in (*loop.MEASURES, *latency.MEASURES, *preload.MEASURES):
        values = sorted(_rounds(measure))
        middle = statistics.median(values)
        shown = "".join(f"{value:8.3f}" for value in (values[0], middle, values[-1]))
        print(f"{name:44}{shown}   {target}", flush=True)


def _rounds(measure: Callable[[], float]) -> list[float]:
    return [measure() for _ in range(ROUNDS)]


if __name__ == "__main__":
    main()
