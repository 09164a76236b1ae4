"""Read what people write for a length of time, a size and a share of the workers.

Knows nothing of settings, files or options: a value goes in, a number comes out, or a
ValueError whose text says what was given and what would be right.
"""

from __future__ import annotations

import json
import math
import re
from typing import Literal, overload

import attrs

_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h|d|)")
# Powers of 1024 whatever the spelling, as in systemd's MemoryMax=. Who writes 64MB for a
# limit of memory thinks of what `free` and the kernel show.
_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHARE = re.compile(r"([0-9]{1,9})(%?)")


def quoted(value: object) -> str:
    """Write a value the way its owner did, on one line, for a message."""
    text = _in_toml(value)
    return text if len(text) <= 80 else f"{text[:76]}..."


def bare(key: str) -> str:
    """Write a key as TOML does: in quotes when it is not bare."""
    return key if _BARE.fullmatch(str(key)) else quoted(key)


@overload
def duration(value: object, *, zero: bool = ..., none: Literal[False] = ...) -> float: ...
@overload
def duration(value: object, *, zero: bool = ..., none: bool) -> float | None: ...
def duration(value: object, *, zero: bool = False, none: bool = False) -> float | None:
    """Read a length of time.

    Args:
        value: Seconds as a number, or text: "30", "0.5", "500ms", "30s", "5m", "2h", "1d".
        zero: Whether 0 is allowed. For a timeout it is not: one reader takes it for "at
            once" and the next one for "never".
        none: Whether "none" (or None), to wait for ever, is allowed.

    Returns:
        Seconds, or None to wait for ever.

    Raises:
        ValueError: It is no length of time, or one that is not allowed here.
    """
    if none and (value is None or _plain(value) == "none"):
        return None
    seconds = _seconds(value)
    if seconds == 0 and not zero:
        rest = 'write "none" to wait for ever' if none else "it must be longer than that"
        raise ValueError(f"0 is refused; {rest}")
    if not (math.isfinite(seconds) and seconds >= 0):
        rest = ', or "none" to wait for ever' if none else ""
        raise ValueError(
            f"{quoted(value)} is no duration; write seconds, such as 30 or 0.5, "
            f'or "500ms", "30s", "5m", "2h", "1d"{rest}'
        )
    return seconds


def size(value: object, *, zero: bool = False) -> int:
    """Read a size in memory or on disk.

    Args:
        value: Bytes as a whole number, or text: "4096", "64MB", "64MiB", "1.5G". K, M, G
            and T are powers of 1024 in every spelling, upper or lower case.
        zero: Whether 0 is allowed.

    Returns:
        Bytes, at least 1, or 0 where that is allowed.

    Raises:
        ValueError: It is no size, or less than one byte.
    """
    found = -1
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif match := _SIZE.fullmatch(_plain(value)):
        amount = float(match[1]) * _BYTES[match[2]]
        found = int(amount) if math.isfinite(amount) else -1
    if found < (0 if zero else 1):
        raise ValueError(
            f'{quoted(value)} is no size; write bytes, or "512KB", "64MB", "2GB" '
            f"(powers of 1024){'' if zero else ', more than 0'}"
        )
    return found


@attrs.frozen
class Share:
    """How many of a group's workers: a number of them, or a percentage.

    Attributes:
        amount: Workers, or per cent of them.
        percent: Whether `amount` is per cent.
    """

    amount: int
    percent: bool = False

    def of(self, workers: int) -> int:
        """Return how many of so many workers that is: rounded up, at least 1, at most all."""
        # In whole numbers: 0.07 * 100 is a little more than 7, and would round up to 8.
        wanted = -(-workers * self.amount // 100) if self.percent else self.amount
        return max(1, min(wanted, workers))

    def __str__(self) -> str:
        return f"{self.amount}%" if self.percent else str(self.amount)


def share(value: object) -> Share:
    """Read a share of the workers.

    Args:
        value: A whole number of workers from 1, or text: "3", "25%" (1% to 100%).

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, Share):
        return value
    text = str(value) if type(value) is int else _plain(value)
    if match := _SHARE.fullmatch(text):
        found = Share(int(match[1]), percent=bool(match[2]))
        if found.amount >= 1 and not (found.percent and found.amount > 100):
            return found
    raise ValueError(
        f"{quoted(value)} is no share of the workers; "
        'write a whole number from 1, or "1%" to "100%"'
    )


def _in_toml(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{bare(key)} = {_in_toml(one)}" for key, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_toml, value))}]"
    plain = isinstance(value, (str, bool))
    return json.dumps(value, ensure_ascii=False) if plain else str(value)


def _plain(value: object) -> str:
    """Return a text trimmed and in lower case, and of anything else what nobody accepts."""
    return value.strip().lower() if isinstance(value, str) else ""


def _seconds(value: object) -> float:
    """Return seconds, and for whatever can't be read NaN."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # an int with more digits than a float holds
            return math.nan
    match = _DURATION.fullmatch(_plain(value))
    return float(match[1]) * _SECONDS[match[2]] if match else math.nan
