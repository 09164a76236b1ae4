"""The signal mask of this thread, as plain numbers.

signal.pthread_sigmask makes an enum member of every number of the mask before; where all were
blocked that takes 0.3 ms, twice in each fork. What it wraps is as old as itself.
"""

from __future__ import annotations

import signal
from _signal import pthread_sigmask as _change  # type: ignore[import-not-found]
from collections.abc import Iterable

_ALL = frozenset(map(int, signal.valid_signals()))


def block_all() -> set[int]:
    """Block every signal; return the mask before."""
    before: set[int] = _change(signal.SIG_BLOCK, _ALL)
    return before


def restore(mask: Iterable[int]) -> None:
    """Block these signals, and no others."""
    _change(signal.SIG_SETMASK, mask)
