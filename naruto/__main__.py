"""python -m naruto, and the command naruto."""

from __future__ import annotations

import os
import signal
import sys

# Until a command knows better, Ctrl-C ends it without a traceback: nothing is there yet
# that would have to be cleared away. An INT that is ignored (a shell's &) stays ignored.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _open_standard_streams() -> None:
    """Give 0, 1 and 2 to /dev/null where they are closed, before anything else gets them."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(
                os.open(os.devnull, os.O_RDWR), True
            )  # the lowest free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115


def main() -> None:
    """Run the command line."""
    _open_standard_streams()
    from .cli.commands import naruto

    naruto(prog_name="naruto")


if __name__ == "__main__":
    main()
