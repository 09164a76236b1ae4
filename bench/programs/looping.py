"""A worker that knows no master: it loops until TERM. For whoever runs programs."""

from __future__ import annotations

from collections.abc import Callable

from bench.work import Work


def run(ready: Callable[[], object] = lambda: None) -> None:
    """Loop until TERM.

    Args:
        ready: Called once, before the first loop.
    """
    work = Work()
    ready()
    work.until_told()


if __name__ == "__main__":
    run()
