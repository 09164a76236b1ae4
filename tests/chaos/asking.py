"""Asking a service: in this process or by the command line, at once or beside other things.

An outcome is what a user would have seen. Whether it is the truth, the oracle says.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import attrs

from naruto.client import Client
from naruto.errors import NarutoError
from tests.service import PATIENCE, Service


@attrs.frozen
class Outcome:
    """How a command has ended: its exit status, and what it has said."""

    status: int
    text: str


def by_pipe(service: Service, verb: str, **args: Any) -> Outcome:
    """Ask in this process, as the command would.

    Raises:
        NarutoError: There was no answer.
    """
    client = Client.of(str(service.run_dir), "chaos")
    answer = client.ask(verb, timeout=PATIENCE, **args)
    if verb in ("quit", "stop"):
        client.ended(process=True)
    return Outcome(answer["status"], answer["text"])


def by_command(service: Service, verb: str, *args: str) -> Outcome:
    """Run the command."""
    done = service.command(verb, *args)
    assert "Traceback" not in done.stderr or 'naruto/cli"' not in done.stderr, done.stderr
    return Outcome(done.returncode, (done.stdout + done.stderr).strip())


def status_by_command(service: Service) -> dict[str, Any]:
    """Return what ``status --json`` prints."""
    done = service.command("status", "--json")
    assert done.returncode == 0, f"status --json: {done.returncode} {done.stderr}"
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


class Pending:
    """Something that goes on in a thread of its own, until its outcome is asked for."""

    def __init__(self, ask: Callable[[], Outcome]) -> None:
        self._outcome: Outcome | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(ask,), daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether the outcome is there."""
        return not self._thread.is_alive()

    def outcome(self) -> Outcome:
        """Wait for it.

        Raises:
            AssertionError: There was none.
        """
        self._thread.join(2 * PATIENCE)
        if self._error is not None:
            raise self._error
        assert self._outcome is not None, "no answer"
        return self._outcome

    def _run(self, ask: Callable[[], Outcome]) -> None:
        try:
            self._outcome = ask()
        except (NarutoError, AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self._error = error
