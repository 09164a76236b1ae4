"""Settings: put together from everywhere, checked before the first fork.

The command line (or a program's arguments) counts more than the environment, that more
than the settings file, and in the file a group's own table more than the top. This module
knows that order and what has to be right between settings; each single one is described in
`options`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs

from naruto.errors import SettingsError
from naruto.settings import checks, values
from naruto.settings import file as settings_file
from naruto.settings.fields import Option, written
from naruto.settings.file import SettingsFile
from naruto.settings.groups import GroupSettings
from naruto.settings.layers import Layer, Value, read, stack
from naruto.settings.nearest import closest, unknown
from naruto.settings.options import (
    GROUP_OPTIONS,
    OPTIONS,
    SERVICE_OPTIONS,
    WORKER_OPTIONS,
    Settings,
)

__all__ = [
    "GROUP_OPTIONS",
    "OPTIONS",
    "SERVICE_OPTIONS",
    "WORKER_OPTIONS",
    "GroupSettings",
    "Option",
    "Settings",
    "Source",
    "written",
]

_PREFIX = "NARUTO_"


@attrs.frozen
class Source:
    """Where the settings come from, kept so that a reload can read them all again.

    Attributes:
        options: What the command line or a program gave, as text or typed; None is not given.
        config: The settings file that was named, or None: look for one.
        directory: The logical working directory; the file is looked for in it.
        environ: The environment. A variable that is empty is not set.
    """

    options: Mapping[str, object]
    config: str | None
    directory: str
    environ: Mapping[str, str]

    @classmethod
    def here(cls, options: Mapping[str, object], config: str | None = None) -> Source:
        """Return the source for this process: its directory and its environment of now.

        Raises:
            SettingsError: The working directory is gone.
        """
        return cls(dict(options), config, _working_directory(), dict(os.environ))

    def load(self, *, to_run: bool = True) -> Settings:
        """Read everything anew.

        Args:
            to_run: Whether this process, or a child of it, is to run the service. Who only
                looks for a running one may have fewer rights than that one.

        Raises:
            SettingsError: Something is wrong; the text says where, what, and what is needed.
        """
        outer = (self._command_line(), self._environment())
        file = self._file()
        top: Layer = file.top() if file else {}
        tables = file.groups() if file else {}
        service = stack(*outer, top)
        checks.targets(service, tables, file)
        stacks = {
            name: stack(*outer, table, top)
            for name, table in (tables or {"default": {}}).items()
        }
        for group in stacks.values():
            checks.times(group)
            if to_run:
                checks.rights(group)
        return self._settings(service, stacks, file)

    def given(self, key: str) -> Any:
        """Return what the command line or the environment says of a setting, or None.

        Raises:
            SettingsError: They say something wrong, of whatever setting.
        """
        for layer in (self._command_line(), self._environment()):
            if key in layer:
                return layer[key].value
        return None

    def suspects(self) -> list[str]:
        """Return a sentence for each variable that looks like a setting misspelt.

        A guess, so no error: for a service called naruto Kubernetes puts variables such as
        NARUTO_SERVICE_HOST into every container.
        """
        known = [option.variable for option in OPTIONS]
        words = [name.removeprefix(_PREFIX) for name in (*known, "NARUTO_CONFIG")]
        found = []
        for variable in sorted(self.environ):
            if not variable.startswith(_PREFIX) or variable in (*known, "NARUTO_CONFIG"):
                continue
            if near := closest(variable.removeprefix(_PREFIX), words, 0.75):
                found.append(f"{variable} is not a setting; did you mean {_PREFIX}{near}?")
        return found

    def _command_line(self) -> Layer:
        known = {option.name: option for option in OPTIONS}
        layer = {}
        for key, value in self.options.items():
            if key not in known:
                raise SettingsError(unknown(key, known))
            if value is not None:
                called = f"{known[key].flag} {value}"
                layer[key] = self._read(known[key], value, "command line", called)
        return layer

    def _environment(self) -> Layer:
        layer = {}
        for option in OPTIONS:
            if value := self.environ.get(option.variable):
                origin, called = f"environment {option.variable}", f"{option.variable}={value}"
                layer[option.name] = self._read(option, value, origin, called)
        return layer

    def _read(self, option: Option, value: object, origin: str, called: str) -> Value:
        return read(option, value, origin=origin, called=called, base=self.directory)

    def _file(self) -> SettingsFile | None:
        config = self.config
        if config is None:
            config = self.environ.get("NARUTO_CONFIG") or None
        if config is None:
            return settings_file.find(self.directory)
        return settings_file.load(config, self.directory)

    def _settings(
        self, service: Layer, stacks: Mapping[str, Layer], file: SettingsFile | None
    ) -> Settings:
        groups = tuple(_group(name, layer) for name, layer in stacks.items())
        derived = {"directory": self.directory, "name": _derived_name(file, groups)}
        own = {
            option.name: service[option.name].value
            for option in SERVICE_OPTIONS
            if option.name in service
        }
        config = file.path if file else None
        origins = _origins(service, stacks)
        return Settings(**{**derived, **own}, config=config, groups=groups, origins=origins)


def _working_directory() -> str:
    """Return $PWD where that is this directory, because it names the links on the way."""
    logical = os.environ.get("PWD", "")
    try:
        # Normalized first, as every path here is: behind a link ".." may lead elsewhere.
        logical = os.path.normpath(logical)
        if os.path.isabs(logical) and os.path.samefile(logical, "."):
            return logical
    except OSError:
        pass  # a stale $PWD tells nothing; the kernel's answer will do
    try:
        return os.getcwd()
    except OSError as error:
        raise SettingsError(f"the working directory is gone: {error.strerror}") from None


def _group(name: str, layer: Layer) -> GroupSettings:
    own = {o.name: layer[o.name].value for o in GROUP_OPTIONS if o.name in layer}
    return GroupSettings(name=name, **own)


def _derived_name(file: SettingsFile | None, groups: tuple[GroupSettings, ...]) -> str:
    """Name a service that was given no name: after its directory, or after what it runs."""
    if file is not None and (name := os.path.basename(file.directory)):
        return values.as_name(name)
    target = groups[0].target
    if target is None:
        return "demo"
    module = target if isinstance(target, str) else getattr(target, "__module__", None)
    top = str(module or "__main__").split(":")[0].split(".")[0]
    return "main" if top == "__main__" else values.as_name(top)


def _origins(service: Layer, stacks: Mapping[str, Layer]) -> dict[str, str]:
    origins = {option.name: _origin(service, option) for option in OPTIONS}
    for name, layer in stacks.items():
        for option in GROUP_OPTIONS:
            origins[f"groups.{name}.{option.name}"] = _origin(layer, option)
    return origins


def _origin(layer: Layer, option: Option) -> str:
    return layer[option.name].origin if option.name in layer else "default"
