"""A process without a descriptor left has some all the same."""

from __future__ import annotations

import os
import resource
from typing import Any

import pytest

from naruto.unix.spare import NUMBER, Spare
from tests.unix.forked import in_child


def test_spares_serve_when_nothing_else_is_left() -> None:
    """Released, they can be opened as something else; refilled, they are kept again."""

    def work() -> Any:
        spare = Spare.kept()
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
        taken = []
        with pytest.raises(OSError, match="Too many"):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        spare.release()
        again = [os.open(os.devnull, os.O_RDONLY) for _ in range(NUMBER)]
        spare.refill()
        none = len(spare.descriptors)
        for fd in again:
            os.close(fd)
        spare.refill()
        return none, len(spare.descriptors)

    assert in_child(work) == [0, NUMBER]
