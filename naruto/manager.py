"""Manager: what a user holds. Settings go in; a service comes out, or orders to one.

Every command of the command line is a method here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any

import attrs

from . import launch
from .again import is_probe
from .client import PROGRESS_EVERY, Client, TooLate, waits_for
from .core.units import duration
from .errors import Failed, NarutoError, NotRunning, SettingsError, from_status
from .settings import Settings, Source
from .unix import rundir, services

Progress = Callable[[dict[str, Any]], None]


class Manager:
    """A service, to be run or to be told.

    Args:
        target: What to run: "module:name", a class of workers, or a function. None leaves
            it to the settings file, or to the built-in demo.
        config: The settings file; None looks for naruto.toml or pyproject.toml.
        **options: Any setting, by name: workers=5, stop_timeout="1m". They count more than
            the environment and the file. docs/settings.md has them all.
    """

    def __init__(
        self, target: object = None, *, config: str | None = None, **options: object
    ) -> None:
        self._options = {"target": target, **options}
        self._config = config

    @cached_property
    def source(self) -> Source:
        """Where the settings come from: settled at first use, by directory and environment."""
        return Source.here(self._options, self._config)

    @cached_property
    def settings(self) -> Settings:
        """What is in effect.

        Raises:
            SettingsError: Something in it is wrong.
        """
        return self.source.load()

    # Run a service

    def run(self, *, embedded: bool = True) -> int:
        """Run the service in the foreground, in this process, until it ends.

        Args:
            embedded: The program goes on afterwards, may have children of its own, and
                sees a log only where ``log_file`` or ``log_level`` was set.

        Returns:
            0 after a quit or a stop, 1 when a loop was killed.

        Raises:
            NarutoError: It could not be started.
        """
        if is_probe():
            launch.as_probe(self.settings)
        return launch.in_foreground(self.source, self.settings, embedded=embedded)

    def start(self, *, wait: bool = True) -> int:
        """Run the service as a daemon, and return when every worker is READY.

        Returns:
            The master's pid.

        Raises:
            NarutoError: It could not be started; no process stays.
        """
        if is_probe():
            launch.as_probe(self.settings)
        return launch.as_daemon(self.source, self.settings, wait=wait)

    def log_path(self) -> str:
        """Where a daemon writes its log: an absolute path."""
        return launch.log_path(self.settings)

    # Tell a running service

    def reload(self, *groups: str, **how: Any) -> str:
        """Replace every worker by one with today's code and settings.

        Args:
            *groups: Only these.
            **how: ``timeout`` in seconds, ``wait=False``, ``progress``: called now and
                then with what ``status`` returns.

        Returns:
            What has been done, in words.

        Raises:
            Failed: The reload was refused, or the time is over.
            SettingsError: The settings are bad: nothing has changed.
            NotRunning: No such service runs.
        """
        return self._order("reload", groups=list(groups), **how)

    def quit(self, **how: Any) -> str:
        """End the service when every worker's loop is done, however long that takes."""
        return self._order("quit", **how)

    def stop(self, *, now: bool = False, **how: Any) -> str:
        """End the service within stop_timeout, or at once.

        Raises:
            Failed: A loop was killed, or the time is over.
            NotRunning: No such service runs.
        """
        return self._order("stop", now=now, **how)

    def restart(self, **how: Any) -> str:
        """Check that the program starts, stop, and run it again under the same pid."""
        return self._order("restart", **how)

    def upgrade(self, **how: Any) -> str:
        """Let the program of today go on with the same workers, under the same pid.

        Raises:
            Failed: It doesn't start, or doesn't understand what it would take over; the
                service goes on as it was.
            NotRunning: No such service runs.
        """
        return self._order("upgrade", **how)

    def status(self, *, timeout: float | str | None = None) -> dict[str, Any]:
        """Return the state of the service, as docs/protocol.md describes it."""
        seconds = _seconds(timeout)
        shown: dict[str, Any] = self.client().ask("status", timeout=seconds)["service"]
        return shown

    def client(self) -> Client:
        """Find the running service that this manager means.

        By its run directory or name where one is given, else by the settings file, else
        it is the only one that runs.

        Raises:
            NotRunning: It doesn't run.
            SettingsError: It isn't clear which is meant.
        """
        name, run_dir = self.source.given("name"), self.source.given("run_dir")
        if run_dir is not None:
            return Client.of(run_dir, name or os.path.basename(run_dir))
        here = self._service_here(name)
        if here is not None and name in (None, here.name):
            return Client.of(rundir.place(here.name, here.run_dir), here.name)
        return _only_one() if name is None else Client.of(rundir.place(name, None), name)

    def _service_here(self, name: str | None) -> Settings | None:
        """Return the settings of the service that this directory's file, or a target, names.

        A file that can't be read is an error only where no name was given.
        """
        options = {**self._options, "name": None}
        environ = {k: v for k, v in self.source.environ.items() if k != "NARUTO_NAME"}
        try:
            source = attrs.evolve(self.source, options=options, environ=environ)
            here = source.load(to_run=False)
        except SettingsError as error:
            if name is not None:
                return None
            raise SettingsError(f"{error}\n(or name the service with --name)") from None
        return here if here.config is not None or self._options["target"] else None

    def _order(
        self,
        verb: str,
        *,
        timeout: float | str | None = None,
        wait: bool = True,
        progress: Progress | None = None,
        **args: Any,
    ) -> str:
        seconds = _seconds(timeout)
        client = self.client()
        if not wait:
            client.tell(verb, **args)
            return f"{verb} asked for"

        def show() -> None:
            try:
                if progress is not None:
                    progress(client.ask("status", timeout=PROGRESS_EVERY)["service"])
            except NarutoError:
                pass  # it is busy, or ends just now: the answer decides, this only shows

        try:
            answer = client.ask(verb, timeout=seconds, progress=progress and show, **args)
        except TooLate as error:
            raise Failed(f"{error}: {_waiting(client)}") from None
        if verb in ("quit", "stop"):
            client.ended(process=not answer["embedded"])
        if answer["status"] != 0:
            raise from_status(answer["status"], answer["text"])
        return str(answer["text"])


def _only_one() -> Client:
    running = sorted(services.all_running())
    if not running:
        raise NotRunning("no service is running")
    if len(running) > 1:
        listed = "\n".join(_how_to_name(*one) for one in running)
        raise SettingsError(f"several services are running; say which:\n{listed}")
    name, path, _ = running[0]
    return Client.of(path, name)


def _waiting(client: Client) -> str:
    """Say what a request that takes too long waits for."""
    try:
        return waits_for(client.ask("status", timeout=1)["service"])
    except NarutoError:
        return f"the master (pid {client.pid}) does not answer; is it stopped?"


def _seconds(timeout: float | str | None) -> float | None:
    try:
        return duration(timeout, none=True)
    except ValueError as error:
        raise SettingsError(f"--timeout {timeout}: {error}") from None


def _how_to_name(name: str, path: str, pid: int) -> str:
    usual = path == rundir.place(name, None)
    return (
        f"  --name {name}  (pid {pid})" if usual else f"  --run-dir {path}  ({name}, pid {pid})"
    )
