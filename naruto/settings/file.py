"""The settings file: find it, read its TOML, and turn its tables into layers.

It knows the shape of the file (settings at the top, `[groups.NAME]` below) and nothing of
the other places where a setting may stand.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from naruto.core.units import bare, quoted
from naruto.errors import SettingsError
from naruto.settings import values
from naruto.settings.fields import Option
from naruto.settings.layers import Layer, absolute, read
from naruto.settings.nearest import unknown
from naruto.settings.options import GROUP_OPTIONS, OPTIONS

_PYPROJECT = "pyproject.toml"


@attrs.frozen
class SettingsFile:
    """A settings file that was read.

    Attributes:
        path: Where it lies, absolute, not resolved through links.
        label: What its owner calls it, for messages.
        table: The settings in it, unchecked.
        prefix: The keys above that table: ("tool", "naruto") in pyproject.toml.
    """

    path: str
    label: str
    table: Mapping[str, object]
    prefix: tuple[str, ...] = ()

    @property
    def directory(self) -> str:
        """The directory that it lies in."""
        return os.path.dirname(self.path)

    def top(self) -> Layer:
        """Return what it says for the whole service.

        Raises:
            SettingsError: A key is unknown or a value is wrong.
        """
        settings = {key: value for key, value in self.table.items() if key != "groups"}
        return self._layer(settings, OPTIONS, (), also=("groups",))

    def groups(self) -> dict[str, Layer]:
        """Return what it says for each group, in its own order.

        Raises:
            SettingsError: A group's name, a key or a value is wrong.
        """
        tables = self.table.get("groups", {})
        if not isinstance(tables, dict):
            raise SettingsError(f"{self.at('groups')}: tables [groups.NAME] are needed")
        return {name: self._group(name, table) for name, table in tables.items()}

    def at(self, *keys: str) -> str:
        """Point at a place in the file, to begin a complaint with."""
        dotted = ".".join(bare(key) for key in (*self.prefix, *keys))
        return f"{self.label}: {dotted}" if dotted else self.label

    def _group(self, name: str, table: object) -> Layer:
        try:
            values.name(name)
        except ValueError as error:
            raise SettingsError(f"{self.at('groups', name)}: {error}") from None
        if not isinstance(table, dict):
            raise SettingsError(f"{self.at('groups', name)}: a table of settings is needed")
        return self._layer(table, GROUP_OPTIONS, ("groups", name))

    def _layer(
        self,
        table: Mapping[str, object],
        options: Iterable[Option],
        keys: tuple[str, ...],
        also: tuple[str, ...] = (),
    ) -> Layer:
        known = {option.name: option for option in options}
        for key in table:
            if key not in known:
                raise SettingsError(f"{self.at(*keys)}: {_stranger(key, (*known, *also))}")
        return {
            key: read(
                known[key],
                value,
                origin=self.label,
                called=f"{self.at(*keys, key)} = {quoted(value)}",
                base=self.directory,
            )
            for key, value in table.items()
        }


def find(directory: str) -> SettingsFile | None:
    """Look for naruto.toml, then for a [tool.naruto] in pyproject.toml.

    Raises:
        SettingsError: There is one and it can't be read.
    """
    for label in ("naruto.toml", _PYPROJECT):
        try:
            found = _read(absolute(directory, label), label)
        except FileNotFoundError:
            continue
        if found is not None:
            return found
    return None


def load(config: str, directory: str) -> SettingsFile:
    """Read the file that was named; a relative path counts from `directory`.

    Raises:
        SettingsError: It can't be read, or is a pyproject.toml without [tool.naruto].
    """
    try:
        found = _read(absolute(directory, values.path(config)), config)
    except FileNotFoundError:
        raise SettingsError(f"{config}: there is no such settings file") from None
    except ValueError as error:
        raise SettingsError(f"{config}: {error}") from None
    if found is None:
        raise SettingsError(f"{config}: it has no [tool.naruto]")
    return found


def _read(path: str, label: str) -> SettingsFile | None:
    """Read one file; None is a pyproject.toml that does not mention naruto."""
    document = _parse(path, label)
    if os.path.basename(path) != _PYPROJECT:
        return SettingsFile(path, label, document)
    tool = document.get("tool")
    table = tool.get("naruto") if isinstance(tool, dict) else None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise SettingsError(f"{label}: tool.naruto: a table of settings is needed")
    return SettingsFile(path, label, table, ("tool", "naruto"))


def _parse(path: str, label: str) -> dict[str, Any]:
    # Imported here: the workers never read a settings file, and a fork copies what is loaded.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            table: dict[str, Any] = tomllib.load(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsError(f"{label}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{label}: byte {error.start + 1} is not UTF-8") from None
    except ValueError as error:  # TOMLDecodeError, and what int() says of 5000 digits
        raise SettingsError(f"{label}: {_plainer(str(error))}") from None
    return table


def _plainer(message: str) -> str:
    """Put the place first, and say in a file's words what the parser says in its own."""
    if match := re.fullmatch(r"(.*) \(at (.*)\)", message, re.DOTALL):
        message = f"{match[2]}: {match[1]}"
    if match := re.fullmatch(r"(.*)Cannot declare (.*) twice", message, re.DOTALL):
        keys = re.findall(r"'([^']*)'", match[2])
        return f"{match[1]}[{'.'.join(keys)}] stands there twice"
    return message.replace("Cannot overwrite a value", "a key stands there twice")


def _stranger(key: str, known: Iterable[str]) -> str:
    """Say what is wrong with a key that does not belong there."""
    if any(key == option.name for option in OPTIONS):
        return f"'{key}' is set for the whole service; move it above the [groups.NAME] tables"
    return unknown(key, known)
