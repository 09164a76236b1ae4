"""What can be set: every setting once, as a field with its reader, default and help.

`OPTIONS` is made from the fields, and from `OPTIONS` the command line, the names in the
environment, the keys of the settings file and docs/settings.md. So a new setting is one
new field here. Where values come from, and which one wins, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import attrs

from naruto.core import units
from naruto.settings import values

Scope = Literal["service", "group"]
Obeyer = Literal["master", "worker"]

_forever = partial(units.duration, none=True)
_rest = partial(units.duration, zero=True)


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
    parse: Callable[[object], object]
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


def _about(parse: Callable[[object], object], metavar: str, line: str, **more: object) -> Any:
    """Return a field's metadata: what `Option` has to know beyond the field itself."""
    return {"parse": parse, "metavar": metavar, "help": line, **more}


def _of_worker(
    parse: Callable[[object], object], metavar: str, line: str, built_in: object
) -> Any:
    """Return a field that the worker obeys: None, so that its class may still decide."""
    more = {"default": built_in, "obeyed_by": "worker"}
    return attrs.field(default=None, metadata=_about(parse, metavar, line, **more))


@attrs.frozen(kw_only=True)
class GroupSettings:
    """One group of workers, all with one target. Times are in seconds.

    A time of None in what the master obeys means to wait for ever; None in what the worker
    obeys means that the settings do not say, so the class or the built-in default counts.
    """

    name: str
    target: values.Target | None = attrs.field(
        default=None,
        metadata=_about(values.target, "TARGET", "what to run, as module:name"),
    )
    workers: int = attrs.field(
        default=1,
        metadata=_about(values.whole(1, 4096), "N", "how many processes run it"),
    )
    interval: float | None = _of_worker(
        _rest, "TIME", "rest after a loop that returned None", 0.2
    )
    max_interval: float | None = _of_worker(
        units.duration, "TIME", "longest rest while loops find nothing", 2.0
    )
    max_errors: int | None = _of_worker(
        values.whole(1), "N", "failed loops in a row after which a worker is replaced", 5
    )
    surge: units.Share = attrs.field(
        default=units.Share(25, percent=True),
        metadata=_about(units.share, "SHARE", "how many to replace at a time: 3, or 25%"),
    )
    overlap: bool = attrs.field(
        default=True,
        metadata=_about(values.flag, "BOOL", "start the new worker before the old one ends"),
    )
    start_timeout: float | None = attrs.field(
        default=30.0,
        metadata=_about(_forever, "TIME", "how long a new worker may take to be ready"),
    )
    canary_timeout: float | None = attrs.field(
        default=10.0,
        metadata=_about(_forever, "TIME", "how long a canary's first loop is watched"),
    )
    stop_timeout: float | None = attrs.field(
        default=25.0,
        metadata=_about(_forever, "TIME", "how long a stop waits before it kills a loop"),
    )
    min_uptime: float = attrs.field(
        default=1.0,
        metadata=_about(units.duration, "TIME", "a life shorter than this is a crash at start"),
    )


@attrs.frozen(kw_only=True)
class Settings:
    """Everything that is set for one service. Paths are absolute and logical.

    Attributes:
        name: The service's name.
        run_dir: The run directory, or None: made from name and uid.
        directory: The working directory, not resolved through links: a deploy may switch one.
        log_file: Where the log goes, or None: depends on how the service was started.
        log_level: The least level that is logged, in lower case.
        config: The settings file that was read, or None.
        groups: At least one, in the order of the file.
        origins: For each key ("log_level", "groups.orders.workers") where its value came
            from. For a setting of groups the bare key tells about the groups that have
            no word of their own.
    """

    name: str = attrs.field(
        metadata=_about(values.name, "NAME", "the service's name", default=None)
    )
    run_dir: str | None = attrs.field(
        default=None,
        metadata=_about(values.path, "PATH", "directory for the pipes and the pid file"),
    )
    directory: str = attrs.field(
        metadata=_about(values.path, "PATH", "working directory, importable", default=None)
    )
    log_file: str | None = attrs.field(
        default=None, metadata=_about(values.path, "PATH", "file that the log is written to")
    )
    log_level: str = attrs.field(
        default="info", metadata=_about(values.level, "LEVEL", "least level that is logged")
    )
    config: str | None = None
    groups: tuple[GroupSettings, ...]
    # Not compared: a reload that moves a value from one place to another changes nothing.
    origins: Mapping[str, str] = attrs.field(factory=dict, eq=False, repr=False)


def _options(cls: type[attrs.AttrsInstance], scope: Scope) -> Iterator[Option]:
    """Yield an option for each field that tells how it can be set."""
    for field in attrs.fields(cls):
        if field.metadata:
            said = {"default": field.default, **field.metadata}
            yield Option(name=field.name, scope=scope, **said)


OPTIONS = (*_options(Settings, "service"), *_options(GroupSettings, "group"))
SERVICE_OPTIONS = tuple(option for option in OPTIONS if option.scope == "service")
GROUP_OPTIONS = tuple(option for option in OPTIONS if option.scope == "group")
