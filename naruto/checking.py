"""Whether targets can be loaded, found out in a process that is thrown away afterwards."""

from __future__ import annotations

import json
import os
from typing import Any

from .core.deaths import in_words
from .errors import Failed, NarutoError, SettingsError
from .settings import GroupSettings, Settings
from .supervise.generations import Generation
from .unix import children, lastwords
from .work import target
from .work.birth import take_environment_and_rights
from .work.tracebacks import formatted


def check(settings: Settings) -> dict[str, dict[str, Any]]:
    """Load every target, each in a child with the environment and the rights of its group.

    Limits and niceness say nothing about the code, and are left to the start.

    Returns:
        For each group what its class sets of what a worker obeys.

    Raises:
        SettingsError: A target is not there, or can't be one, or the system refuses what
            its group is to be given.
        Failed: Its module raised while it was imported; the text is the traceback.
    """
    generation, started_in = Generation.pin(0, settings), os.getcwd()
    return {
        group.name: _in_child(group, generation.directories[group.name], started_in)
        for group in settings.groups
    }


def _in_child(group: GroupSettings, directory: str, started_in: str) -> dict[str, Any]:
    output = lastwords.make()
    pid = children.fork()
    if pid == 0:
        _answer(group, directory, started_in, output)
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
    attributes: dict[str, Any] = answer
    return attributes


def _answer(group: GroupSettings, directory: str, started_in: str, output: int) -> None:
    answer: dict[str, Any]
    try:
        take_environment_and_rights(group)
        target.prepare_imports(directory, started_in)
        answer = _attributes(group.target)
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
