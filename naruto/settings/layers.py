"""One layer of settings: what one place says, checked, with the words to point at it.

A layer maps the keys that its place sets to values; layers on top of one another make the
settings. Which layers there are, and their order, is not known here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from naruto.errors import SettingsError
from naruto.settings.fields import Option
from naruto.settings.tables import Table


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


def stack(*layers: Layer) -> Layer:
    """Lay layers on top of one another; the first that has a key counts.

    Tables are merged: in them each key counts for itself, as systemd's Environment= does.
    """
    keys = dict.fromkeys(key for layer in layers for key in layer)
    return {key: _merged([layer[key] for layer in layers if key in layer]) for key in keys}


def _merged(values: Sequence[Value]) -> Value:
    first = values[0]
    if len(values) == 1 or not isinstance(first.value, Table):
        return first
    pairs = {key: found for value in reversed(values) for key, found in value.value.items()}
    return Value(
        type(first.value)(pairs),
        " and ".join(dict.fromkeys(value.origin for value in values)),
        " over ".join(value.called for value in values),
    )
