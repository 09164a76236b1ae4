"""The log: all that the processes of a service say lands in one place.

A process of naruto's own writes to its sink, and imports no loguru for it: that is dear to
import, and everything a master has mapped is dear to fork. Where user code imports it,
before or after, its records land in the same sink. In a program that runs a service by
itself loguru is the front: the program decides who hears what naruto says.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import attrs

from .sink import LEVELS, LogTo, Sink

if TYPE_CHECKING:
    from types import ModuleType

    from loguru import Logger, Message

_sinks: list[Sink] = []
"""What this process logs into: one, or none."""


def write(level: str | int, text: str, cause: str = "") -> None:
    """Log a text of one or more lines, in the name of this process.

    Args:
        level: By name, in any case, or by number.
        text: What to say.
        cause: What other texts may be about as well: a master warns once a minute of it;
            ``sink.EACH`` where each time counts.
    """
    level = level.upper() if isinstance(level, str) else level
    if _sinks and _sinks[0].to.alone:
        number = LEVELS[level] if isinstance(level, str) else level
        if number >= LEVELS[_sinks[0].to.level]:
            name = level if isinstance(level, str) else f"Level {level}"  # as loguru has it
            _sinks[0].put(name, text, cause)
    elif "loguru" in sys.modules:
        _loguru().opt(depth=1).bind(cause=cause).log(level, "{}", text)


def open_for(process: str, to: LogTo) -> Callable[[], None]:
    """Let this process log, under a name such as "master" or "orders-0".

    Returns:
        What closes the log again. Nothing is opened where nobody asked for a log.
    """
    if not to.asked:
        return lambda: None
    sink = Sink(process, to)
    sink.open()
    leave = None if to.alone and "loguru" not in sys.modules else _join(sink)
    _sinks.append(sink)

    def close() -> None:
        if leave is not None:
            leave()
        _sinks.remove(sink)
        sink.close()

    return close


def take_over(process: str, to: LogTo) -> None:
    """Log under a name of its own, first thing in a forked worker.

    The sink that it has inherited will do, where it writes to the same place. Else it is
    dropped, and so is all that the parent's loguru writes to: a sink with a queue would
    block for ever once the process that empties it is gone.
    """
    if to.alone and [sink.to for sink in _sinks] == [to]:
        rename(process)
    else:
        forget_all()
        open_for(process, to)


def rename(process: str) -> None:
    """Log under another name, in a fork of a process that has opened its log here."""
    for sink in _sinks:
        sink.rename(process)


def forget_all() -> None:
    """Drop every sink."""
    if "loguru" in sys.modules:
        _loguru().remove()
    for sink in _sinks:
        sink.close()
    _sinks.clear()


# loguru


def _loguru() -> Logger:
    from loguru import logger  # dear: see above

    return logger


def _join(sink: Sink) -> Callable[[], None]:
    """Let what is said through loguru land in a sink, too; return what ends that."""

    def heard(message: Message) -> None:
        record = message.record
        text = record["message"]
        if (error := record["exception"]) is not None:
            text += "\n" + "".join(traceback.format_exception(*error)).rstrip()
        ours = (record["name"] or "").startswith("naruto.")
        cause = record["extra"].get("cause", "") if ours else None
        sink.put(record["level"].name, text, cause, record["time"].timestamp())

    logger = _loguru()
    if sink.to.alone:
        logger.remove()
    default = not sink.to.alone and _remove_default(logger)
    logger.enable("naruto")
    number = logger.add(heard, level=sink.to.level, format="{message}", catch=False)

    def leave() -> None:
        logger.remove(number)
        if default:
            logger.add(sys.stderr)

    return leave


def _remove_default(logger: Logger) -> bool:
    """Drop the handler that loguru comes with, if the program has left it there.

    It would print every line a second time. One that the program has added itself stays.
    """
    try:
        logger.remove(0)
    except ValueError:
        return False  # the program has configured loguru
    return True


@attrs.define(eq=False)
class _Meeting:
    """A finder on ``sys.meta_path`` that is there when loguru is imported, and then leaves."""

    _asks: bool = False

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return loguru's own spec, with a loader that introduces it to us; of none else."""
        if name != "loguru" or self._asks:
            return None
        self._asks = True
        try:
            spec = find_spec(name)
        finally:
            self._asks = False
        loader: Any = spec.loader if spec is not None else None
        if loader is not None:
            loader.exec_module = partial(self._introduce, loader.exec_module)
        return spec

    def _introduce(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        execute(module)  # of any module, where one loader has all of a zip file
        if module.__name__ == "loguru" and self in sys.meta_path:  # and not a second time
            sys.meta_path.remove(self)
            _meet(module.logger)


def _meet(logger: Logger) -> None:
    """Make loguru silent about us, as a library has to be; unless we log into it."""
    logger.disable("naruto")
    for sink in _sinks:
        _join(sink)


if "loguru" in sys.modules:
    _meet(_loguru())
else:
    sys.meta_path.insert(0, _Meeting())
