"""One layer of settings: what one place says, checked, with the words to point at it.

A layer maps the keys that its place sets to values; layers on top of one another make the
settings. Which layers there are, and their order, is not known here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from naruto.errors import SettingsError
from naruto.settings.options import Option


@attrs.frozen
class Value:
    """What one place says about one setting.

    Attributes:
        value: The value, ready for use.
        origin: The place: "command line", "environment NARUTO_WORKERS", "naruto.toml".
        called: Place, key and value as they were written, to begin a complaint with.
    """

    # Any, because each field has its own type and only its option's reader knows it.
    value: Any
    origin: str
    called: str


Layer = Mapping[str, Value]


def read(option: Option, written: object, *, origin: str, called: str, base: str) -> Value:
    """Read one value; `base` is the directory that a relative path counts from.

    This and `Option.parse` stand where cattrs might: structuring a whole layer at once, it
    reports a path of attributes, and what to show is `NARUTO_WORKERS=abc` and what is right.

    Raises:
        SettingsError: The value is wrong.
    """
    try:
        value = option.parse(written)
    except ValueError as error:
        raise SettingsError(f"{called}: {error}") from None
    if option.is_path:
        value = absolute(base, str(value))
    return Value(value, origin, called)


def absolute(base: str, path: str) -> str:
    """Make a path absolute, but resolve no link: a deploy may switch one."""
    return os.path.normpath(os.path.join(base, path))  # noqa: PTH118


def unknown(key: str, known: Iterable[str]) -> str:
    """Say that there is no such key, and what may have been meant."""
    names = sorted(known)
    near = closest(key, names)
    rest = f"did you mean '{near}'?" if near else f"known are {', '.join(names)}"
    return f"unknown key '{key}'; {rest}"


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known word that is most like this one, at least `likeness` (0 to 1)."""
    import difflib  # only a mistake needs it, and every worker would carry it

    return next(iter(difflib.get_close_matches(word, list(known), 1, likeness)), None)
