"""Settings that are tables: `limits`, `environment`, or whatever maps a name to a value.

Reads a table from TOML, from a program's dict or from text ("nofile=1024 as=1GB"). What
stands for one name counts alone; which place counts more than which is not known here.
"""

from __future__ import annotations

import re
import resource
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from math import ceil
from typing import TypeVar

import attrs

from naruto.core import units
from naruto.settings import values
from naruto.settings.nearest import unknown

V = TypeVar("V")

_LARGEST = 2**63 - 1  # rlim_t is unsigned, Python's setrlimit(2) takes a signed one
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@attrs.frozen(eq=False, repr=False)
class Table(Mapping[str, V]):
    """A mapping that nobody changes, so that settings can be compared and hashed."""

    # Only ever made from a dict that nobody else has.
    _pairs: Mapping[str, V] = attrs.field(factory=dict)

    def __getitem__(self, key: str) -> V:
        return self._pairs[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __hash__(self) -> int:
        return hash(frozenset(self._pairs.items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pairs!r})"

    def __str__(self) -> str:
        """Write it as the command line and the environment do."""
        return " ".join(f"{key}={self._written(value)}" for key, value in self.items())

    def _written(self, value: V) -> str:
        return shlex.quote(str(value))


class Limits(Table[int]):
    """Resource limits: each name of setrlimit(2), in lower case, to bytes, seconds or a number.

    Both the soft and the hard limit are meant. No limit is `resource.RLIM_INFINITY`.
    """

    __slots__ = ()

    def _written(self, value: int) -> str:
        return "unlimited" if value == resource.RLIM_INFINITY else str(value)


class Environment(Table[str]):
    """Variables for a worker's environment."""

    __slots__ = ()


def limits(value: object) -> Limits:
    """Read resource limits: {nofile = 1024, as = "1GB"}, or "nofile=1024 as=1GB"."""
    split = re.compile(r"[\s,]+").split
    pairs = _pairs(value, split, 'a table such as {nofile = 1024}, or "nofile=1024 as=1GB"')
    return Limits({name: _limit(name, written) for name, written in pairs.items()})


def environment(value: object) -> Environment:
    """Read variables: {TZ = "UTC", DEBUG = 1}, or "TZ=UTC DEBUG=1", quoted as for a shell."""
    pairs = _pairs(value, _shell_words, 'a table such as {TZ = "UTC"}, or "TZ=UTC DEBUG=1"')
    return Environment({name: _variable(name, written) for name, written in pairs.items()})


def _pairs(
    value: object, split: Callable[[str], Iterable[str]], needed: str
) -> Mapping[str, object]:
    """Return what is written for each name, as yet unread."""
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{needed} is needed")
    found: dict[str, object] = {}
    for part in filter(None, split(value)):
        name, equals, written = part.partition("=")
        if not equals:
            raise ValueError(f"{units.quoted(part)} has no =; {needed} is needed")
        if name in found:
            raise ValueError(f"{name} stands there twice")
        found[name] = written
    return found


def _shell_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:  # "No closing quotation"
        raise ValueError(f"{str(error).lower()} in {units.quoted(text)}") from None


def _seconds(value: object) -> int:
    return ceil(units.duration(value, zero=True))


_bytes = partial(units.size, zero=True)
_number = values.whole(0)
_LIMITS: Mapping[str, Callable[[object], int]] = {
    **dict.fromkeys(("as", "core", "data", "fsize", "memlock", "rss", "stack"), _bytes),
    **dict.fromkeys(("nofile", "nproc"), _number),
    "cpu": _seconds,
}


def _limit(name: str, written: object) -> int:
    if name not in _LIMITS:
        raise ValueError(unknown(name, _LIMITS, "limit"))
    if written in ("unlimited", resource.RLIM_INFINITY):
        return resource.RLIM_INFINITY
    try:
        found = _LIMITS[name](written)
    except ValueError as error:
        raise ValueError(f'{name}: {error}, or "unlimited"') from None
    if found > _LARGEST:
        raise ValueError(f'{name}: {units.quoted(written)} is too much; write "unlimited"')
    return found


def _variable(name: str, written: object) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(
            f"{units.quoted(name)} is no name of a variable; one has A-Z, a-z, 0-9 and _, "
            "and does not begin with a digit"
        )
    if name.startswith(("NARUTO_", "_NARUTO")):
        raise ValueError(f"{name}: names that begin with NARUTO_ or _NARUTO are naruto's own")
    if isinstance(written, bool):
        return str(written).lower()
    if not isinstance(written, (str, int, float)) or "\0" in str(written):
        raise ValueError(f"{name}: a text or a number is needed")
    return str(written)
