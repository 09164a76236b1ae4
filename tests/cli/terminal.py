"""A command on a terminal of its own: what it shows there, and keys pressed."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
from types import TracebackType

from tests.service import PATIENCE, Service

CTRL_C = "\x03"


class Terminal:
    """A naruto command in a session of its own, with a pty as controlling terminal.

    Args:
        service: Whose directory and environment it has.
        *args: The command.
        program: A file of the service's directory to run instead of the module naruto.
        **environ: More variables; an empty one is taken away.

    Attributes:
        shown: Everything so far, escape sequences included.
    """

    def __init__(
        self, service: Service, *args: str, program: str | None = None, **environ: str
    ) -> None:
        self.shown = ""
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 50, 160, 0, 0))
        variables = {**service.environ, "TERM": "xterm-256color", **environ}
        self.process = subprocess.Popen(
            [sys.executable, *([program] if program else ["-m", "naruto"]), *args],
            cwd=service.home,
            env={key: value for key, value in variables.items() if value},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()  # nothing where it has ended
        self.process.wait()
        os.close(self._master)

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until the terminal has shown something (a regular expression)."""
        while (match := re.search(pattern, self.text)) is None:
            if not self._read():
                raise AssertionError(f"ended without {pattern!r}:\n{self.shown}")
        return match

    def press(self, keys: str) -> None:
        """Type something."""
        os.write(self._master, keys.encode())

    def wait(self) -> int:
        """Wait for the end; return the exit status."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    @property
    def text(self) -> str:
        """What was shown, without escape sequences and carriage returns."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self.shown)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], PATIENCE)
        assert ready, f"nothing more on the terminal:\n{self.shown}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
