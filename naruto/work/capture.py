"""What user code prints or sends to ``logging`` lands in the service's log.

Only a worker that logs changes its streams so, and what it forks gets the plain ones back.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

from loguru import logger

from .. import log

_KNOWN_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")


class Stream(io.TextIOBase):
    """Stands in for sys.stdout in a worker: each line that is printed becomes a record."""

    def __init__(self, level: str, original: Any) -> None:
        self._level = level
        self._original = original
        self._rest = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What a program that asks expects of a text stream."""
        return "utf-8"

    @property
    def buffer(self) -> Any:
        """The bytes below; what is written there goes past the log."""
        return self._original.buffer

    def fileno(self) -> int:
        """Return the descriptor of the original stream."""
        number: int = self._original.fileno()
        return number

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, text: str) -> int:
        """Log each line that ``text`` completes."""
        *lines, self._rest = (self._rest + text).split("\n")
        if lines:
            log.write(self._level, "\n".join(lines))
        return len(text)

    def finish(self) -> None:
        """Log what was printed without a newline."""
        if self._rest:
            self.write("\n")


def start() -> None:
    """Let what user code prints, and sends to ``logging``, land in the log."""
    sys.stdout = Stream("INFO", sys.stdout)
    sys.stderr = Stream("WARNING", sys.stderr)
    _bridge_logging()


def _bridge_logging() -> None:
    """Take the records of ``logging``, from INFO on, until the user configures it.

    The handler of last resort counts only where there is no other. The module's own
    functions (``logging.info``) configure one if there is none, by basicConfig() without
    arguments: that must not happen here.
    """
    configure, level = logging.basicConfig, logging.root.level

    def basic_config(**given: Any) -> None:
        if given:
            logging.basicConfig = configure
            logging.root.setLevel(level)
            configure(**given)

    logging.lastResort = _Bridge(logging.INFO)
    if level == logging.WARNING and not logging.root.handlers:
        logging.root.setLevel(logging.INFO)
        logging.basicConfig = basic_config


def undo() -> None:
    """Give a process that a worker has forked the plain streams, and no sink."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, Stream):
            setattr(sys, name, stream._original)
    log.forget_all()


def finish() -> None:
    """Log what was printed without a newline at the end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Stream):
            stream.finish()


class _Bridge(logging.Handler):
    """Passes records of the standard library's logging on."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.format(record).partition("\n")[2]
        level = record.levelname if record.levelname in _KNOWN_LEVELS else record.levelno
        logger.opt(depth=1).log(level, "{}", f"{record.name}: {text}")
