"""The oracle: what must be true of a service at rest, after its end, and of its whole history.

It looks at the kernel, the run directory, the ledger and the log, and raises AssertionError
with a sentence on what is wrong. What was done to the service it knows from the scene alone.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.chaos import ledger, text
from tests.chaos.scene import Scene, Wanted, Worker
from tests.service import eventually, wait_gone

TREE_IS_CLEANED = True
"""Whether naruto clears away what a worker has started and left behind. While it doesn't,
leftover children are killed at each end of the service, and not counted."""

_KILLED = re.compile(
    r"\] (?P<who>[\w.-]+) \(pid \d+, generation \d+\)"
    r" was killed \((?P<why>[^)]*)\)(?P<cut> in a loop)?"
)
_ENDS = re.compile(r"(stop|stop --now) asked for by|the check has passed: the service stops")
_MAY_CUT = ("did not leave before its deadline", "stop --now")
"""Why a worker may be killed in a loop."""
_LAWFUL = (*_MAY_CUT, "was still in on_stop after stop_timeout")
"""Why one may be killed at all in these rounds: no timeout but stop_timeout is ever met."""
EARLY = 0.02
"""Seconds by which two lines of the log may lie, because each is dated by its writer."""


def status_of_an_end(scene: Scene, since: int) -> int:
    """Return what a stop must exit with, by what the log says from an offset on."""
    return 1 if any(kill["cut"] for kill in _KILLED.finditer(scene.log[since:])) else 0


# At rest


def at_rest(scene: Scene) -> None:
    """Wait until the service rests, and see that it is as it should be.

    Whoever is under SIGSTOP is let go on before.
    """
    scene.await_strangers()
    eventually(lambda: _rests(scene))
    eventually(lambda: _keeps_descriptors(scene))
    scene.strangers.clear()
    scene.strangers_pipes.clear()
    history(scene, frozenset(worker.pid for worker in scene.workers()))


def _rests(scene: Scene) -> None:
    shown, workers = scene.shown()["state"], scene.workers()
    assert shown == "running", f"the service is {shown}"
    odd = [worker.who for worker in workers if not worker.at_rest]
    assert not odd, f"not at rest: {odd}"
    found = _found(scene, workers)
    assert found in scene.possible, f"at rest: {found}, wanted: {scene.possible}"
    _owns(scene, workers)
    scene.possible, scene.unawaited = [found], False


def _found(scene: Scene, workers: list[Worker]) -> dict[str, Wanted]:
    """Return what every group is like; each index must be there once, all with one code."""
    versions = ledger.versions(scene.ledger)
    groups: dict[str, list[Worker]] = {}
    for worker in workers:
        groups.setdefault(worker.group, []).append(worker)
    found = {}
    for name, members in groups.items():
        assert [w.index for w in members] == list(range(len(members))), f"indexes of {members}"
        codes = {worker.who: versions.get(worker.pid) for worker in members}
        assert len(set(codes.values())) == 1, f"different code at rest: {codes}"
        found[name] = Wanted(versions.get(members[0].pid, -1), len(members))
    return found


def _owns(scene: Scene, workers: list[Worker]) -> None:
    """See that the master has these children, these FIFOs, and that nobody else is alive."""
    pids = {worker.pid for worker in workers}
    born = dict(_children_of(scene.master))
    zombies = [pid for pid, state in born.items() if state == "Z"]
    assert not zombies, f"zombies: {zombies}"
    # What a worker has left may have become the master's child, which then reaps it.
    strays = set(born) - pids - set(ledger.children(scene.ledger)) - moulds(scene.master)
    assert not strays, f"children of the master that are no workers: {strays}"
    pipes = {f"{worker.who}.pipe" for worker in workers}
    there = {path.name for path in scene.service.run_dir.iterdir()} - {
        "master.pid",
        "master.pipe",
    }
    deleted = {f"{who}.pipe" for who in scene.pipeless}
    assert there <= pipes, f"left in the run directory: {there - pipes}"
    assert pipes - there <= deleted, f"FIFOs that are not there: {pipes - there - deleted}"
    known = pids | {scene.master} | set(ledger.children(scene.ledger)) | moulds(scene.master)
    others = scene.service.alive() - known
    assert not others, f"alive, and nobody knows why: {_named(others)}"
    if TREE_IS_CLEANED:
        _no_orphan_trees(scene, {worker.who for worker in workers})


def _no_orphan_trees(scene: Scene, living: set[str]) -> None:
    alive = scene.service.alive()
    left = {
        pid: who
        for pid, who in ledger.children(scene.ledger).items()
        if pid in alive and who not in living
    }
    assert not left, f"children of workers that are dead: {left}"


def moulds(master: int) -> set[int]:
    """Return the pids of a master's moulds."""
    named = _named({pid for pid, _ in _children_of(master)})
    return {pid for pid, name in named.items() if name.startswith("naruto: mould ")}


def _children_of(master: int) -> Iterator[tuple[int, str]]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(fields[1]) == master:
                yield int(path.name), fields[0]


def _named(pids: set[int]) -> dict[int, str]:
    names = {}
    for pid in pids:
        try:
            names[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            names[pid] = "has just ended"
    return names


def _keeps_descriptors(scene: Scene) -> None:
    """See that the master's descriptors, those for its workers left out, do not grow.

    The scoreboard grows in pieces, by the most workers that there ever were.
    """
    links = []
    for name in os.listdir(f"/proc/{scene.master}/fd"):
        try:
            links.append(os.readlink(f"/proc/{scene.master}/fd/{name}"))
        except OSError:
            continue  # closed meanwhile
    number = len([link for link in links if "naruto-scoreboard" not in link])
    number -= 2 * len(scene.workers()) + 2 * len(moulds(scene.master))
    first = scene.descriptors.setdefault(scene.master, number)
    assert number <= first, f"{number} descriptors beside the workers', {first} before: {links}"


# After an end


def down(scene: Scene) -> None:
    """See that nothing of a service that has ended is left, and judge its history."""
    scene.await_strangers()
    eventually(lambda: _nobody_left(scene))
    for pid in _tree(scene):
        assert not TREE_IS_CLEANED, f"left behind: {_named({pid})}"
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it has ended by itself
        wait_gone(pid)
    run_dir = scene.service.run_dir
    left = {path.name for path in run_dir.iterdir()} if run_dir.exists() else set()
    assert left <= scene.strangers_pipes, f"left in the run directory: {left}"
    assert left or not run_dir.exists(), "the run directory is left, empty"
    history(scene)


def _tree(scene: Scene) -> set[int]:
    return scene.service.alive() & set(ledger.children(scene.ledger))


def _nobody_left(scene: Scene) -> None:
    left = scene.service.alive()
    if not TREE_IS_CLEANED:
        left -= set(ledger.children(scene.ledger))
    assert not left, f"processes left: {_named(left)}"


# The whole history


def history(scene: Scene, alive: frozenset[int] = frozenset()) -> None:
    """Judge the ledger and the log from the beginning.

    Args:
        scene: Where they are.
        alive: Pids of workers that may be in a loop just now.
    """
    log = scene.log
    named = {kill["who"]: kill["why"] for kill in _KILLED.finditer(log)}
    unlawful = {who: why for who, why in named.items() if not why.startswith(_LAWFUL)}
    assert not unlawful, f"killed for no lawful reason: {unlawful}"
    cut, wrong = ledger.judge(scene.ledger, alive)
    assert not wrong, "; ".join(wrong)
    for who, how in cut.items():
        shot = scene.shot.get(who)
        told = named.get(who, "").startswith(_MAY_CUT)
        assert shot or told, f"{who} was cut in loop {how.loop}, and nothing says why"
        overlapped = shot and how.until and how.until < shot
        assert not overlapped, f"{who} was at work when another of its index began"
    _kills_in_time(scene, log)
    assert " CRITICAL " not in log, "a CRITICAL line in the log"
    for where, what in [("log", log), *(("output", life.log) for life in scene.lives)]:
        for traceback in text.tracebacks(what):
            shown = "\n".join(traceback)
            assert not text.is_ours(traceback), f"naruto's own, in the {where}:\n{shown}"


def _kills_in_time(scene: Scene, log: str) -> None:
    """See that nobody was killed before stop_timeout was over, but for stop --now."""
    told: datetime | None = None
    for line in log.splitlines():
        if _ENDS.search(line):
            told = None if "stop --now" in line else text.dated(line)
        match = _KILLED.search(line)
        if match and match["why"].startswith("did not leave") and told is not None:
            waited = (text.dated(line) - told).total_seconds()
            least = scene.plan.stop_timeout - EARLY
            assert waited >= least, f"{match['who']} was killed after {waited:.3f} s"
