"""Process: what every process of a service is, the master and each worker."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import ClassVar


class Process(ABC):
    """One process of a service: a kind, a name, a named pipe, and a resident loop.

    Attributes:
        kind: "master" or "worker".
        name: The service's name.
        pipe: The path of the FIFO that this process reads.
    """

    kind: ClassVar[str]
    name: str
    pipe: str

    @property
    def pid(self) -> int:
        """The process id."""
        return os.getpid()

    @abstractmethod
    def run(self) -> int:
        """Loop until told to end; return the exit status."""

    def set_title(self, *words: str) -> None:
        """Let ps(1) show what this process is."""
        show(title(self.kind, *words))


def title(kind: str, *words: str) -> str:
    """Return what ps(1) shows of a process of naruto's.

    What is cut off where there's little room comes last.
    """
    return " ".join(("naruto:", kind, *words))


def show(text: str) -> None:
    """Let ps(1) show a text for this process."""
    # Without it /proc/PID/environ would be emptied, where others look for settings.
    os.environ.setdefault("SPT_NOENV", "1")
    from setproctitle import setproctitle

    setproctitle(text.encode(errors="replace").decode())  # a path may be no UTF-8
