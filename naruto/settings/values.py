"""Read one value of a setting, from text or typed already, or say what is needed instead.

Each function takes what somebody wrote and returns what the program works with, or raises
ValueError with the end of a sentence ("... is needed"). They know neither the setting's
name nor where the value stands: whoever calls them says that first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TypeVar

NAME_RULE = "a name is 1 to 64 of the characters A-Z, a-z, 0-9, _ and -"
LEVELS = ("trace", "debug", "info", "success", "warning", "error", "critical")
T = TypeVar("T")
Target = str | Callable[..., object]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_TARGET = re.compile(f"{_DOTTED}:{_DOTTED}")
_FLAGS = {"true": True, "yes": True, "on": True, "1": True}
_FLAGS |= {"false": False, "no": False, "off": False, "0": False}


def name(value: object) -> str:
    """Read the name of a service or a group: it becomes part of a path."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise ValueError(NAME_RULE)


def as_name(text: str) -> str:
    """Make a name of any text: bad characters become "-", what is too long is cut."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", text)[:64]


def target(value: object) -> Target:
    """Read what to run: "module:name", or (from a program) the class or function itself."""
    if callable(value) or (isinstance(value, str) and _TARGET.fullmatch(value)):
        return value
    raise ValueError(
        'a target looks like "shop.workers:Orders": a module, a colon, '
        "and the class or function in it"
    )


def whole(low: int, high: int | None = None) -> Callable[[object], int]:
    """Return a reader of whole numbers from `low` to `high`, both included."""
    span = f"from {low} to {high}" if high is not None else f"of at least {low}"

    def read(value: object) -> int:
        number = low - 1
        if isinstance(value, int) and not isinstance(value, bool):
            number = value
        elif isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value):
            number = int(value)
        if number < low or (high is not None and number > high):
            raise ValueError(f"a whole number {span} is needed")
        return number

    return read


def flag(value: object) -> bool:
    """Read a yes or no."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _FLAGS:
        return _FLAGS[value.strip().lower()]
    raise ValueError("true or false is needed")


def one_of(*words: str) -> Callable[[object], str]:
    """Return a reader of some words, in any case."""

    def read(value: object) -> str:
        if isinstance(value, str) and value.lower() in words:
            return value.lower()
        raise ValueError(f"one of {', '.join(words)} is needed")

    return read


level = one_of(*LEVELS)
"""Read a log level."""


def or_none(read: Callable[[object], T]) -> Callable[[object], T | None]:
    """Return a reader of what `read` reads, or of "none" for no limit."""

    def read_or_none(value: object) -> T | None:
        if isinstance(value, str) and value.strip().lower() == "none":
            return None
        try:
            return read(value)
        except ValueError as error:
            raise ValueError(f'{error}, or "none" for no limit') from None

    return read_or_none


def exit_codes(value: object) -> tuple[int, ...]:
    """Read exit codes: one, a list of them, or text such as "0,2"."""
    one = whole(0, 255)
    parts = re.split(r"\s*,\s*|\s+", value.strip()) if isinstance(value, str) else value
    try:
        each = parts if isinstance(parts, (list, tuple)) else [parts]
        found = {one(part) for part in each}
    except ValueError:
        found = set()
    if not found:
        raise ValueError('exit codes from 0 to 255 are needed, such as 0, [0, 2] or "0,2"')
    return tuple(sorted(found))


def path(value: object) -> str:
    """Read a path, which may still be relative."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError("a path is needed")
    if text.startswith("~"):
        # A shell leaves `--run-dir=~/x` alone, and a directory called "~" helps nobody.
        raise ValueError('"~" is not expanded here; write the whole path')
    return text
