"""Beginnings and ends: quit, stop and their signals; starts, one, two at once, and called off.

After each end the oracle looks whether anything is left.
"""

from __future__ import annotations

import os
import select
import subprocess
from random import Random

from tests.chaos import oracle
from tests.chaos.asking import Outcome, Pending
from tests.chaos.orders import asking_for, expect
from tests.chaos.scene import Scene, StartFailed
from tests.service import PATIENCE

ENDS = ("quit", "stop", "stop --now", "USR2", "QUIT", "TERM", "INT", "line")


def end(scene: Scene, chance: Random) -> str:
    """End the service, in one way or another; its exit status tells whether a loop was cut."""
    how = chance.choice(ENDS)
    stays_frozen = chance.random() < 0.5
    since = len(scene.log)
    asked = _ask(scene, chance, how)
    if not (stays_frozen and _ends_the_frozen(scene, how)):
        scene.thaw()
    outcome = asked.outcome() if asked else None
    return f"{how} {ended(scene, since, outcome)}"


def _ask(scene: Scene, chance: Random, how: str) -> Pending | None:
    if how in ("quit", "stop"):
        return Pending(asking_for(scene, chance, how))
    if how == "stop --now":
        return Pending(asking_for(scene, chance, "stop", now=True))
    if how == "line":
        scene.service.echo(chance.choice(["\nquit\n", "\nstop\n"]))
    else:
        scene.service.signal(how, scene.master)
    return None


def _ends_the_frozen(scene: Scene, how: str) -> bool:
    return how == "stop --now" or (
        how in ("stop", "TERM", "INT") and scene.plan.stop_timeout < 1
    )


def ended(scene: Scene, since: int, outcome: Outcome | None) -> str:
    """Note that the service has ended, and check what it has said about it."""
    status = scene.service.wait()
    scene.up = False
    truth = oracle.status_of_an_end(scene, since)
    assert status == truth, f"the master exits {status}, and the log means {truth}"
    if outcome is not None:
        expect(outcome, truth)
    scene.thaw()
    oracle.down(scene)
    return f"exits {status}"


def end_during_reload(scene: Scene, chance: Random) -> str:
    """End the service while it reloads: the reload is called off, or was faster."""
    scene.thaw()
    scene.link(scene.release())
    since = len(scene.log)
    reload = Pending(asking_for(scene, chance, "reload"))
    asked = _ask(scene, chance, chance.choice(["quit", "stop", "stop --now"]))
    assert asked is not None
    said = ended(scene, since, asked.outcome())
    try:
        expect(reload.outcome(), 0, 1, 3)
    except Exception as error:  # it came when the master had gone
        return f"{said}; reload: {error}"
    return f"{said}; reload {reload.outcome().status}"


def start(scene: Scene, chance: Random) -> str:
    """Start it."""
    scene.launch()
    scene.await_up()
    return f"pid {scene.master}"


def start_broken(scene: Scene, chance: Random) -> str:
    """Start code that does not start: 1, and nothing stays."""
    scene.launch()
    try:
        scene.await_up()
    except StartFailed:
        pass  # it is what we want to see
    else:
        raise AssertionError("it is up, with code broken in: " + scene.linked.fault)
    assert scene.service.wait() == 1, scene.service.wait()
    oracle.down(scene)
    return f"exits 1, broken in: {scene.linked.fault}"


def start_two(scene: Scene, chance: Random) -> str:
    """Start it twice at once: one is up, the other exits 4."""
    first, second = scene.launch(), scene.launch()
    assert first.process is not None and second.process is not None
    loser = _first_to_exit(first.process, second.process)
    assert loser.returncode == 4, f"the second of two starts exits {loser.returncode}"
    scene.service = first if loser is second.process else second
    scene.await_up()
    return f"pid {scene.master}, and not {loser.pid}"


def _first_to_exit(*processes: subprocess.Popen[str]) -> subprocess.Popen[str]:
    fds = {os.pidfd_open(process.pid): process for process in processes}
    ready, _, _ = select.select(list(fds), [], [], PATIENCE)
    for fd in fds:
        os.close(fd)
    assert ready, "two masters live"
    fds[ready[0]].wait()
    return fds[ready[0]]


def end_during_start(scene: Scene, chance: Random) -> str:
    """End it while it starts: no loop was cut, and nothing stays."""
    since = len(scene.log)
    scene.launch()
    scene.await_log("master of chaos starts", since)
    how = chance.choice(["TERM", "INT", "QUIT", "USR2", "line", "quit", "stop", "stop --now"])
    asked = _ask(scene, chance, how)
    return f"{how} {ended(scene, since, asked.outcome() if asked else None)}"
