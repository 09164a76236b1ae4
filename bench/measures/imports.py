"""What a command pays before it can do anything: milliseconds to print its version."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from ..adapters import ALL, rotated
from ..results import Key
from ..service import ROOT


def figures(number: int) -> Iterator[tuple[Key, str, float]]:
    """Yield the time of every adapter's command."""
    for adapter in rotated(ALL, number):
        if adapter.version_command is not None:
            yield Key("version"), adapter.name, _milliseconds(adapter.version_command)


def _milliseconds(command: tuple[str, ...]) -> float:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return (time.monotonic() - began) * 1000
