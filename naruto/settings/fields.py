"""How a field says that it can be set, and the option that is made from it.

What can be set stands in `groups` and `options`, each setting as one field; where values
come from, and which one wins, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import attrs

from naruto.settings import values
from naruto.settings.tables import Table

Scope = Literal["service", "group"]
Obeyer = Literal["master", "worker"]
Reader = Callable[[object], object]


@attrs.frozen
class Option:
    """One setting.

    Attributes:
        name: The key in the settings file, and the field that holds the value.
        parse: Reads what was written; raises ValueError saying what is needed.
        default: What counts when nobody sets it; None where it has to be worked out.
        help: One line.
        metavar: What stands for the value in a usage line.
        scope: Whether each group has its own value, or the service has one.
        obeyed_by: Who obeys. A worker's class may set what the worker obeys, and a
            group's field is then None when nobody else set it.
    """

    name: str
    parse: Reader
    default: object
    help: str
    metavar: str
    scope: Scope
    obeyed_by: Obeyer = "master"

    @property
    def flag(self) -> str:
        """How the command line calls it; the target alone has no dashes, being positional."""
        return self.metavar if self.name == "target" else f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """How the environment calls it."""
        return f"NARUTO_{self.name.upper()}"

    @property
    def is_flag(self) -> bool:
        """Whether it is a yes or no."""
        return self.parse is values.flag

    @property
    def is_path(self) -> bool:
        """Whether it is a path, which counts from the place where it was written."""
        return self.parse is values.path

    @property
    def is_table(self) -> bool:
        """Whether it is a table, in which each key counts for itself."""
        return isinstance(self.default, Table)


def setting(default: object, parse: Reader, metavar: str, line: str) -> Any:
    """Return a field with its default and with what `Option` has to know beyond it."""
    return attrs.field(default=default, metadata=about(parse, metavar, line))


def of_worker(built_in: object, parse: Reader, metavar: str, line: str) -> Any:
    """Return a field that the worker obeys: None, so that its class may still decide."""
    said = about(parse, metavar, line, default=built_in, obeyed_by="worker")
    return attrs.field(default=None, metadata=said)


def about(parse: Reader, metavar: str, line: str, **more: object) -> dict[str, Any]:
    """Return the metadata of a field that has no default, because it is worked out."""
    return {"parse": parse, "metavar": metavar, "help": line, **more}


def options_of(cls: type[attrs.AttrsInstance], scope: Scope) -> Iterator[Option]:
    """Yield an option for each field that tells how it can be set."""
    for field in attrs.fields(cls):
        if field.metadata:
            said = {"default": field.default, **field.metadata}
            yield Option(name=field.name, scope=scope, **said)


def written(value: object) -> str:
    """Write a value as text, such as the command line and the environment take."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(written(one) for one in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)
