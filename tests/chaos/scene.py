"""The scene of one round: a directory, a service in it, and what was done to it so far.

It starts the service, looks at it, and remembers what must hold; it decides nothing.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import attrs

from naruto.client import Client
from naruto.errors import NarutoError
from tests.chaos import ledger, shop
from tests.chaos.plan import Plan, Release
from tests.service import Service, eventually, wait_gone


class StartFailed(Exception):
    """The service has ended before it was up."""


@attrs.frozen
class Wanted:
    """What one group of a service at rest has to be like."""

    version: int
    workers: int


@attrs.define
class Worker:
    """A worker as ``status`` shows it."""

    who: str
    pid: int
    shown: Mapping[str, Any]

    @property
    def group(self) -> str:
        """The name of its group."""
        return self.who.rpartition("-")[0]

    @property
    def index(self) -> int:
        """Its index."""
        return int(self.shown["index"])

    @property
    def stays(self) -> bool:
        """Whether it is past its start, and nobody told it to leave."""
        return self.shown["told"] is None and self.shown["state"] not in ("forking", "starting")

    @property
    def at_rest(self) -> bool:
        """Whether it loops, and nothing else."""
        return self.shown["told"] is None and self.shown["state"] in ("looping", "resting")


class Scene:
    """One service's place.

    Attributes:
        plan: What is in the settings file.
        linked: The release that ``current`` leads to.
        unawaited: A reload may still be to come that nobody waits for.
        possible: What the service at rest may be like, group by group: one thing, or two
            where nobody knows whether a reload went through.
        shot: Who was killed with -9 by us, and when, in monotonic nanoseconds.
        frozen: Pidfds of workers under SIGSTOP.
        strangers: Workers of masters that were killed; most will have ended.
        strangers_pipes: FIFOs that they read.
        pipeless: Workers whose FIFO we have deleted.
        descriptors: How many each master had beside its workers' at its first rest, by pid.
        story: What was done, with times.
        slowest: The longest that ``status`` took to answer, in seconds.
    """

    def __init__(self, home: Path, seed: int) -> None:
        chance = Random(f"{seed}/scene")
        self.home, self.seed = home, seed
        self.log_path, self.ledger = home / "log", home / "ledger"
        self.slow, self.longest = chance.choice(
            [(0.0, 0.0), (0.0, 0.0), (0.03, 0.5), (0.1, 0.5), (0.1, 0.5), (0.4, 0.8)]
        )
        self.bearing = chance.choice([0.0, 0.3])
        self.plan = Plan.drawn(chance)
        self.service = Service(home)
        self.lives: list[Service] = []
        self.up = False
        self.possible: list[dict[str, Wanted]] = []
        self.unawaited = False
        self.shot: dict[str, int] = {}
        self.frozen: list[int] = []
        self.strangers: set[int] = set()
        self.strangers_pipes: set[str] = set()
        self.pipeless: set[str] = set()
        self.slowest = 0.0
        self.story: list[str] = []
        self._began = time.monotonic()
        self._versions = itertools.count(1)
        self.descriptors: dict[int, int] = {}
        self.linked = self.release()
        self.link(self.linked)
        self.write_settings(self.plan)

    def tell(self, text: str) -> None:
        """Add to the story."""
        self.story.append(f"+{time.monotonic() - self._began:6.3f} {text}")

    # Files

    def release(self, fault: str = "") -> Release:
        """Make a release of a new version."""
        release = Release(next(self._versions), fault)
        seed = f"{self.seed}/{release.version}/"
        text = shop.source(
            release.version,
            str(self.ledger),
            seed,
            (self.slow, self.longest),
            self.bearing,
            fault,
        )
        self.service.write(f"releases/{release.version}/shop.py", text)
        return release

    def link(self, release: Release) -> None:
        """Switch ``current`` to a release, in one step."""
        new = self.home / "current.new"
        new.symlink_to(self.home / "releases" / str(release.version))
        new.replace(self.home / "current")
        self.linked = release

    def write_settings(self, plan: Plan) -> None:
        """Write the settings file."""
        self.write_settings_text(plan.toml(str(self.home / "current"), str(self.log_path)))
        self.plan = plan

    def write_settings_text(self, text: str) -> None:
        """Write anything into the settings file, in one step."""
        self.service.write("naruto.toml.new", text).replace(self.home / "naruto.toml")

    @property
    def log(self) -> str:
        """What was logged by all masters and workers so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # What must hold

    def wanted_now(self, groups: Iterable[str] = ()) -> dict[str, Wanted]:
        """Return what a reload of groups (none: all), or a start, makes of the service."""
        named = set(groups) or set(self.plan.groups)
        new = {
            name: Wanted(self.linked.version, group.workers)
            for name, group in self.plan.groups.items()
        }
        old = self.possible[0] if self.possible else {}
        return {name: new[name] if name in named else old[name] for name in new}

    def forget_outcome(self) -> None:
        """Say that a reload was asked for of which nobody learns how it ends, nor when."""
        self.unawaited = True
        new = self.wanted_now()
        if self.linked.fault == "" and new not in self.possible:
            self.possible.append(new)

    @property
    def fresh(self) -> bool:
        """Whether a reload would change nothing but the processes."""
        return self.possible == [self.wanted_now()]

    # Lives of the service

    def launch(self) -> Service:
        """Start a master, and wait for nothing."""
        life = Service(self.home)
        life.mark = self.service.mark
        self.service = life
        self.lives.append(life)
        return life.start(wait_until="")

    def await_up(self) -> None:
        """Wait until the service is up.

        Raises:
            StartFailed: It has ended instead.
        """
        process = self.service.process
        assert process is not None

        def is_up() -> None:
            if process.poll() is not None:
                raise StartFailed(f"exit status {process.poll()}")
            try:
                state = self.shown()["state"]
            except NarutoError as error:
                raise AssertionError(f"not up: {error}") from None
            assert state in ("running", "reloading"), f"not up: {state}"

        eventually(is_up)
        self.up = True
        self.possible = [self.wanted_now()]

    def await_log(self, pattern: str, since: int) -> None:
        """Wait until the log has shown a text (a regular expression) after an offset."""

        def is_there() -> None:
            assert re.search(pattern, self.log[since:]), f"nothing like {pattern!r} in the log"

        eventually(is_there)

    # Looking

    @property
    def master(self) -> int:
        """The master's pid."""
        process = self.service.process
        assert process is not None
        return process.pid

    def shown(self) -> dict[str, Any]:
        """What ``status`` shows."""
        began = time.monotonic()
        client = Client.of(str(self.service.run_dir), "chaos")
        answer: dict[str, Any] = client.ask("status", timeout=10)["service"]
        self.slowest = max(self.slowest, time.monotonic() - began)
        return answer

    def workers(self) -> list[Worker]:
        """Every worker that was born."""
        return [
            Worker(f"{group['name']}-{w['index']}.{w['serial']}", w["pid"], w)
            for group in self.shown()["groups"]
            for w in group["workers"]
            if w["pid"]
        ]

    def pick(self, chance: Random) -> Worker | None:
        """Draw an index, and return its newest worker, if there is one just now.

        What is drawn depends on what is wanted, not on what is there: so it is the same in
        each run of a seed.
        """
        wanted = self.possible[0]
        where = chance.choice(
            [f"{n}-{i}" for n in sorted(wanted) for i in range(wanted[n].workers)]
        )
        found = [w for w in self.workers() if w.who.startswith(f"{where}.")]
        return found[-1] if found else None

    def crew_pids(self) -> set[int]:
        """Pids of everybody who ever was a worker and wrote into the ledger."""
        return {entry.pid for entry in ledger.entries(self.ledger) if entry.what != "child"}

    def children(self) -> Iterator[int]:
        """Yield what workers have started and is still alive."""
        return (pid for pid in ledger.children(self.ledger) if pid in self.service.alive())

    # Harm that has to be remembered

    def shoot(self, worker: Worker) -> None:
        """Kill a worker with -9. Raises ProcessLookupError where it has just ended."""
        self.shot[worker.who] = time.monotonic_ns()
        os.kill(worker.pid, signal.SIGKILL)

    def freeze(self, worker: Worker) -> None:
        """Stop a worker with SIGSTOP. Raises ProcessLookupError where it has just ended."""
        fd = os.pidfd_open(worker.pid)
        self.frozen.append(fd)
        signal.pidfd_send_signal(fd, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let everybody go on who is under SIGSTOP."""
        while self.frozen:
            fd = self.frozen.pop()
            try:
                signal.pidfd_send_signal(fd, signal.SIGCONT)
            except ProcessLookupError:
                pass  # killed meanwhile, by us or for a stop
            os.close(fd)

    def shoot_master(self) -> None:
        """Kill the master with -9: its workers become strangers."""
        self.strangers |= {worker.pid for worker in self.workers()}
        os.kill(self.master, signal.SIGKILL)
        self.service.wait()
        self.up = False
        self.strangers_pipes |= {path.name for path in self.service.run_dir.glob("*-*.*.pipe")}

    def await_strangers(self) -> None:
        """Wait until the workers of former masters have ended."""
        self.thaw()
        for pid in self.strangers & self.service.alive():
            wait_gone(pid)

    def close(self) -> None:
        """Leave no process."""
        self.thaw()
        for life in self.lives:
            life.close()
