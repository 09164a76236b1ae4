"""How many descriptors this process may have: getrlimit(2)."""

from __future__ import annotations

import resource


def raise_descriptors() -> tuple[int, int]:
    """Raise the soft limit to the hard one; return what it was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard


def restore_descriptors(limits: tuple[int, int]) -> None:
    """Put the limit back: programs that use select(2) break beyond 1024."""
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
