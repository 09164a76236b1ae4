"""The limit of descriptors is raised for the master alone."""

from __future__ import annotations

import resource
from typing import Any

from naruto.unix import limits
from tests.unix.forked import in_child


def test_raised_and_put_back() -> None:
    """As many as the hard limit allows, and afterwards as few as before."""

    def work() -> Any:
        hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        before = limits.raise_descriptors()
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)
        limits.restore_descriptors(before)
        after = resource.getrlimit(resource.RLIMIT_NOFILE)
        return [before, raised, after] == [(256, hard), (hard, hard), (256, hard)]

    assert in_child(work) is True
