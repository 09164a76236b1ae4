"""Streams for what user code prints."""

from __future__ import annotations

import sys
from typing import Any

from naruto.work import capture
from tests.unix.forked import in_child


class Tee:
    """A stream of the user's, above what was there."""

    def __init__(self, below: Any) -> None:
        self.below = below

    def fileno(self) -> int:
        return self.below.fileno()  # type: ignore[no-any-return]


def test_a_service_within_a_worker() -> None:
    """Its streams stand above what the outer worker's user has put over the outer ones."""

    def work() -> int:
        capture.start()
        sys.stdout = Tee(sys.stdout)  # type: ignore[assignment]
        capture.start()
        return sys.stdout.fileno()

    sys.__stdout__.flush()  # type: ignore[union-attr]
    assert in_child(work) == sys.stdout.fileno()
