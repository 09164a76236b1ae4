"""What the tests of real processes share: loops that the test lets go, and quick questions."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

from naruto.client import Client
from tests.service import PATIENCE, Service

QUICK = """
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "20ms"

        def on_start(self):
            print(f"started {self.index} of generation {self.generation}")

        def business(self):
            pass

        def on_stop(self, reason):
            print(f"stopped {self.index} of generation {self.generation}: {reason}")
"""
"""A worker with nothing to do, which says when it starts and why it stops."""

GATED = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "20ms"

        def on_start(self):
            self.gate = os.open("gate", os.O_RDONLY)

        def business(self):
            self.working_on = f"order of {self.index}"
            print(f"begin {self.index} of generation {self.generation}")
            os.read(self.gate, 1)
            print(f"end {self.index} of generation {self.generation}")

        def on_stop(self, reason):
            print(f"stopped {self.index} of generation {self.generation}: {reason}")
"""
"""A worker whose every loop waits at a Gate called "gate"."""


GATED_START = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "10ms"

        def on_start(self):
            print(f"start {self.index} of generation {self.generation}")
            if self.generation > 1 and self.index > 0:
                os.read(os.open("gate", os.O_RDONLY), 1)

        def business(self):
            pass
"""
"""A worker whose start, but for the first and the canary's, waits at a gate."""


class Gate:
    """A FIFO at which user code waits with ``os.read(fd, 1)``.

    Args:
        path: Where it is to be made; whoever opens it for reading does not block.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def let(self, loops: int) -> None:
        """Let so many through."""
        os.write(self._fd, b"x" * loops)

    def open(self) -> None:
        """Let everybody through, now and ever after."""
        if self._fd >= 0:
            # To open a FIFO that nobody writes to would block.
            free = self._path.with_suffix(".open")
            free.symlink_to(os.devnull)
            free.replace(self._path)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.open()


def program(body: str, more: str = "") -> dict[str, str]:
    """Return shop.py with a class Orders; ``body`` is indented by four more."""
    indented = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return {
        "shop.py": "import asyncio, os, socket, sys, time\n"
        "from naruto import WorkerProcess\n"
        f"{more}\n\n"
        f"class Orders(WorkerProcess):\n{indented}\n"
    }


def ask(service: Service, verb: str, **args: Any) -> dict[str, Any]:
    """Ask a master in this process, without a command, and return its answer."""
    return Client.of(str(service.run_dir), "it").ask(verb, timeout=PATIENCE, **args)


def tell(service: Service, verb: str, **args: Any) -> None:
    """Tell a master something without waiting for the result."""
    Client.of(str(service.run_dir), "it").tell(verb, **args)


def shown(service: Service) -> dict[str, Any]:
    """What status shows, asked without a command."""
    answer: dict[str, Any] = ask(service, "status")["service"]
    return answer


def crew(service: Service, group: str = "default") -> list[dict[str, Any]]:
    """The workers of a group, as status shows them."""
    return next(g["workers"] for g in shown(service)["groups"] if g["name"] == group)


def pids(service: Service, group: str = "default") -> set[int]:
    """The pids of a group's workers."""
    return {worker["pid"] for worker in crew(service, group)}


def text_status(pid: int) -> dict[str, str]:
    """What /proc/PID/status says, by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def signals(mask: str) -> set[int]:
    """The numbers of the signals in a mask of /proc/PID/status."""
    bits = int(mask, 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}
