"""The target: from ``module:name``, or an object, to a class of workers.

Runs in a worker, after the fork, or in a child that only checks; never in the master.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

from ..errors import SettingsError
from ..settings import WORKER_OPTIONS
from ..worker import WorkerProcess

DEMO = "naruto.demo:Demo"
"""What runs where there is nothing else to run."""

Target = str | Callable[..., object]

_left_alone: list[object] = []
"""What the master's finders have seen of its directories. To free it would take as long as
all else that is done before the import: each page of it is shared, and copied to be freed."""


def prepare_imports(directory: str, started_in: str) -> None:
    """Make a directory importable, and see to it that today's code is imported.

    Args:
        directory: The real path of the working directory of this generation.
        started_in: Where the master was started: an older release may be there, which
            must not be found any more.
    """
    os.chdir(directory)
    named = set(os.environ.get("PYTHONPATH", "").split(os.pathsep))
    stale = {"", directory} | ({started_in} - named)  # what the user has put there stays
    sys.path[:] = [directory, *(path for path in sys.path if path not in stale)]
    sys.path_hooks.insert(0, _FRESH)
    _left_alone.append(sys.path_importer_cache)
    sys.path_importer_cache = {}
    _forget_what_was_found()


def _forget_what_was_found() -> None:
    """Call ``invalidate_caches`` of each finder; but of PathFinder, do what is left to do.

    Its cache is new anyway. From 3.13 on, it would load importlib.metadata: twice the work
    of all else that a worker does before it imports its target.
    """
    for finder in sys.meta_path:
        forget = getattr(finder, "invalidate_caches", None)
        if forget is not None and finder is not importlib.machinery.PathFinder:
            forget()
    namespace: Any = importlib._bootstrap_external._NamespacePath  # type: ignore[attr-defined]
    if hasattr(namespace, "_epoch"):  # since 3.10.1: bpo-45703
        namespace._epoch += 1


class _FreshLoader(importlib.machinery.SourceFileLoader):
    """Distrusts bytecode that was written in the second in which its source was changed.

    A .pyc names its source's time in whole seconds, and its size: a second edit within
    the second that keeps the size would go unseen.
    """

    def get_data(self, path: str) -> bytes:
        if path.endswith(".pyc"):
            source = os.stat(self.path).st_mtime
            if os.stat(path).st_mtime < int(source) + 1:
                raise OSError(f"{path} may be older than its source")
        return super().get_data(path)


_FRESH = importlib.machinery.FileFinder.path_hook(
    (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
    (_FreshLoader, importlib.machinery.SOURCE_SUFFIXES),
    (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
)
"""Finds what a path has; as Python's own hook, but for its loader."""


def load(target: Target) -> type[WorkerProcess]:
    """Return the class of workers that a target means.

    Raises:
        SettingsError: It isn't there, or can't be one; the text says what was looked for
            and where.
    """
    found = resolve(target) if isinstance(target, str) else target
    called = (
        target if isinstance(target, str) else getattr(target, "__qualname__", repr(target))
    )
    if isinstance(found, type):
        return _checked_class(found, called)
    if not callable(found):
        raise SettingsError(f"target {called} is {type(found).__name__!r}, nothing to call")
    _refuse_generator(found, called)
    return type("Function", (WorkerProcess,), {"business": staticmethod(found)})


def resolve(target: str) -> Any:
    """Import the module of ``module:name`` and return what the name means in it.

    Raises:
        SettingsError: The module or the name is not there.
    """
    module_name, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there; what it imports isn't
        raise SettingsError(
            f"target {target}: no module {error.name!r} in {os.getcwd()}, nor elsewhere on"
            " the path of Python"
        ) from None
    module = found
    for name in path.split("."):
        if not hasattr(found, name):
            raise SettingsError(_no_such_name(target, module, found, name))
        found = getattr(found, name)
    return found


def _no_such_name(target: str, module: Any, where: Any, name: str) -> str:
    import difflib

    place = getattr(module, "__file__", None) or "a built-in module"
    near = difflib.get_close_matches(name, dir(where), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"target {target}: no {name!r} in {place}{hint}"


def _checked_class(found: type, called: str) -> type[WorkerProcess]:
    if not issubclass(found, WorkerProcess):
        raise SettingsError(
            f"target {called} is a class, but no WorkerProcess; derive it from"
            " naruto.WorkerProcess, or name a function"
        )
    if found.business is WorkerProcess.business:
        raise SettingsError(f"target {called}: business() is not written")
    _refuse_generator(found.business, called)
    class_settings(found)
    return found


def class_settings(cls: type[WorkerProcess]) -> dict[str, Any]:
    """Return what a class sets of what a worker obeys.

    Raises:
        SettingsError: A value won't do.
    """
    found = {}
    for option in WORKER_OPTIONS:
        value = getattr(cls, option.name, None)
        if value is getattr(WorkerProcess, option.name):
            continue
        try:
            found[option.name] = option.parse(value)
        except ValueError as error:
            raise SettingsError(f"{cls.__qualname__}.{option.name} = {error}") from None
    return found


def _refuse_generator(function: Any, called: str) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise SettingsError(
            f"target {called}: business() is a generator, so calling it would do nothing;"
            " write return instead of yield"
        )
