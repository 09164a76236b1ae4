"""How long the kernel can be told to wait at once: an int of milliseconds (poll(2))."""

from __future__ import annotations

import math

LONGEST = 2**31 / 1000 - 1
"""Seconds, almost 25 days. Who wants to wait longer has to wait again."""


def milliseconds(seconds: float | None) -> int | None:
    """Return what to give to poll(2): rounded up, so that nobody wakes before the time."""
    return None if seconds is None else math.ceil(max(0.0, min(seconds, LONGEST)) * 1000)
