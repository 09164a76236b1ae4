"""Write down what naruto's master has imported when it forks its first worker, then end.

Usage: imported.py FILE ARGUMENT..., with naruto's own arguments. The list is what the floor
imports, so that it needs no care when naruto changes.
"""

from __future__ import annotations

import os
import sys


def main(path: str, arguments: list[str]) -> None:
    """Run naruto's command line up to its first fork."""
    before = set(sys.modules)

    def write() -> None:
        found = [name for name in sys.modules if name not in before]
        with open(path, "w") as file:
            file.write("\n".join(found))
        os._exit(0)

    os.register_at_fork(before=write)
    from naruto.__main__ import main as naruto

    sys.argv = ["naruto", *arguments]
    naruto()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
