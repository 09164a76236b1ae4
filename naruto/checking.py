"""Whether targets can be loaded, found out in a process that is thrown away afterwards."""

from __future__ import annotations

import json
import os
from typing import Any

from .core.deaths import in_words
from .errors import Failed, NarutoError, SettingsError
from .settings import Settings
from .supervise.generations import Generation
from .unix import children, lastwords
from .work import target
from .work.tracebacks import formatted


def check_here(settings: Settings) -> dict[str, dict[str, Any]]:
    """Load every target, in this process.

    Returns:
        For each group what its class sets of what a worker obeys.

    Raises:
        SettingsError: A target is not there, or can't be one.
        Failed: Its module raised while it was imported; the text is the traceback.
    """
    generation, started_in = Generation.pin(0, settings), os.getcwd()
    attributes = {}
    for group in settings.groups:
        target.prepare_imports(generation.directories[group.name], started_in)
        attributes[group.name] = _attributes(group.target)
    return attributes


def check_in_child(settings: Settings) -> dict[str, dict[str, Any]]:
    """Do the same in a child, so that no user code is loaded here. Raises the same."""
    output = lastwords.make()
    pid = children.fork()
    if pid == 0:
        _answer(settings, output)
    ended = children.reap(pid)
    try:
        answer = json.loads(os.pread(output, os.fstat(output).st_size, 0) or "{}")
    finally:
        os.close(output)
    if "error" in answer:
        raise (SettingsError if answer["status"] == 2 else Failed)(answer["error"])
    if ended.code != 0:
        how = in_words(ended.code, ended.signal)
        raise Failed(f"loading the target ended the process: {how}")
    attributes: dict[str, dict[str, Any]] = answer
    return attributes


def _answer(settings: Settings, output: int) -> None:
    answer: dict[str, Any]
    try:
        answer = check_here(settings)
    except NarutoError as error:
        answer = {"error": str(error), "status": error.status}
    except BaseException as error:
        answer = {"error": formatted(error), "status": 1}
    try:
        lastwords.write(output, json.dumps(answer))
    finally:
        os._exit(0)


def _attributes(what: target.Target | None) -> dict[str, Any]:
    try:
        cls = target.load(what or target.DEMO)
    except NarutoError:
        raise
    except BaseException as error:
        raise Failed(formatted(error)) from error
    return target.class_settings(cls)
