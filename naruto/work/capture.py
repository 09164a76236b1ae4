"""What user code prints or sends to ``logging`` lands in the service's log.

Only a worker that logs changes its streams so, and what it forks gets the plain ones back.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, TextIO

from .. import log
from ..sink import LEVELS

LONGEST = 8192
"""Bytes without a newline after which a line is logged all the same."""


class ToLog(io.RawIOBase):
    """The bottom of a text stream: each line that arrives becomes a record."""

    original: TextIO

    def __init__(self, level: str) -> None:
        super().__init__()
        self._level = level
        self._rest = b""

    def writable(self) -> bool:
        """Say yes."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the original stream."""
        return self.original.fileno()

    def write(self, data: Any) -> int:
        """Log each line that is completed."""
        *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
        if len(self._rest) > LONGEST:
            lines, self._rest = [*lines, self._rest], b""
        if lines:
            log.write(self._level, b"\n".join(lines).decode(errors="replace"))
        return len(data)

    def finish(self) -> None:
        """Log what was printed without a newline."""
        if self._rest:
            self.write(b"\n")


def _stream(level: str) -> io.TextIOWrapper:
    bottom: Any = ToLog(level)
    return io.TextIOWrapper(
        bottom, "utf-8", errors="backslashreplace", newline="\n", write_through=True
    )


def start() -> None:
    """Let what user code prints, and sends to ``logging``, land in the log."""
    for name, level in (("stdout", "INFO"), ("stderr", "WARNING")):
        stream: Any = _READY.pop(name, None) or _stream(level)
        stream.buffer.original = _plain(getattr(sys, name))
        setattr(sys, name, stream)
    if logging.lastResort is not _BRIDGE:
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

    logging.lastResort = _BRIDGE
    if level == logging.WARNING and not logging.root.handlers:
        logging.root.setLevel(logging.INFO)
        logging.basicConfig = basic_config


def undo() -> None:
    """Give a process that a worker has forked the plain streams, and no sink."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, _plain(getattr(sys, name)))
    log.forget_all()


def finish() -> None:
    """Log what was printed without a newline at the end."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        bottom = _bottom(stream)
        if bottom is not None:
            bottom.finish()


def _plain(stream: Any) -> Any:
    """Return the stream that we have put ours above, or the stream itself."""
    bottom = _bottom(stream)
    return stream if bottom is None else bottom.original


def _bottom(stream: Any) -> ToLog | None:
    """Return what we have put below a stream; the user may have put another in its place."""
    bottom = getattr(stream, "buffer", None)
    return bottom if isinstance(bottom, ToLog) else None


class _Bridge(logging.Handler):
    """Passes records of the standard library's logging on."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._pass_on(record)
        except Exception:  # a bad format string, as every handler has to expect
            self.handleError(record)

    def _pass_on(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.format(record).partition("\n")[2]
        level = record.levelname if record.levelname in LEVELS else record.levelno
        log.write(level, f"{record.name}: {text}")


# Made in the master, once: each worker only puts them in their place. A service within a
# worker of another one needs its own, as they may stand below what the user has put there.
_READY: dict[str, Any] = {"stdout": _stream("INFO"), "stderr": _stream("WARNING")}
_BRIDGE = _Bridge(logging.INFO)
