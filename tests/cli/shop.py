"""What the services of these tests run."""

from __future__ import annotations

import os

from tests.service import Service, eventually

IDLE = """
    def poll():
        pass
"""

LONG = """
    import os, select
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        def business(self):
            self.working_on = f"order {self.index}"
            print("in the loop")
            gate = os.open("gate", os.O_RDONLY | os.O_NONBLOCK)
            select.select([gate], [], [])  # readable when the test has written
            os.close(gate)
            return True
"""
"""Each loop lasts until ``open_gate``."""

WAITS_IN_START = """
    import os, select
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        def on_start(self):
            open(f"starting-{self.index}", "w").close()
            if self.index == 1:
                select.select([os.open("gate", os.O_RDONLY | os.O_NONBLOCK)], [], [])

        def business(self):
            pass
"""
"""Worker 1 becomes READY when ``open_gate`` is called."""


def make_gate(service: Service) -> None:
    """Make what a loop waits at."""
    os.mkfifo(service.home / "gate")


def open_gate(service: Service) -> int:
    """Let everybody through, from now on; return a descriptor that keeps it open."""
    gate = os.open(service.home / "gate", os.O_RDWR | os.O_NONBLOCK)
    os.write(gate, b"x")
    return gate


def there(service: Service, *names: str) -> None:
    """Wait until files are there in the service's directory."""

    def check() -> None:
        for name in names:
            assert (service.home / name).exists(), name

    eventually(check)
