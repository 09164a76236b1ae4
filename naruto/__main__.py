"""python -m naruto, and the command naruto."""

from __future__ import annotations

import signal

# Until a command knows better, Ctrl-C ends it without a traceback: nothing is there yet
# that would have to be cleared away. An INT that is ignored (a shell's &) stays ignored.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run the command line."""
    from .cli.commands import naruto

    naruto(prog_name="naruto")


if __name__ == "__main__":
    main()
