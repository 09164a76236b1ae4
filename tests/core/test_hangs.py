"""Loops that take too long: shown after slow_loop, ended after loop_timeout."""

from __future__ import annotations

import math

import pytest

from naruto.core import effects
from naruto.core.policy import Policy

from . import checks
from .world import FakeWorker, Life, World, serving


def watched(**fields: object) -> tuple[World, FakeWorker]:
    """Return a world that has just come up, and the worker whose loop has just begun."""
    world = World({"web": Policy(**fields)})
    world.start()
    world.settle()
    return world, world.only("web", 0)


def times(world: World, kind: type) -> list[float]:
    """When effects of a kind were wanted, in seconds after the start."""
    return [round(at - 1000.0, 6) for at, effect in world.done if isinstance(effect, kind)]


def ticks(world: World, seconds: float, loops: float) -> None:
    """Let time pass in which every worker loops; each loop takes ``loops`` seconds."""
    end = world.clock + seconds
    while world.clock < end:
        for worker in world.alive():
            if worker.life is Life.WORKING:
                world.begins_loop(worker)
        world.pass_time(loops)


def test_slow_loop() -> None:
    """It is asked for its stacks at slow_loop, and they are shown 0.3 s later; no more."""
    world, worker = watched(slow_loop=5.0)
    world.pass_time(3600.0)
    assert times(world, effects.Dump) == [5.0]
    assert times(world, effects.ShowStack) == [5.3]
    assert worker.life is Life.WORKING and not worker.killed


def test_of_a_replacement() -> None:
    """It is watched as well, from its first loop on; on_start has a limit of its own."""
    world, worker = watched(slow_loop=5.0)
    world.pass_time(2.0)
    world.crash(worker)
    new = world.only("web", 0)
    world.born(new)
    world.pass_time(20.0)  # in on_start
    assert times(world, effects.Dump) == []
    world.ready(new)
    world.settle()
    world.pass_time(10.0)
    assert times(world, effects.Dump) == [27.0]


def test_each_has_its_time() -> None:
    """Another worker's deadline is no reason to show the stacks before 0.3 s are over."""
    world, _ = watched(slow_loop=5.0, workers=2)
    world.pass_time(0.1)
    world.begins_loop(world.only("web", 1))
    world.pass_time(10.0)
    assert times(world, effects.Dump) == [5.0, 5.1]
    assert times(world, effects.ShowStack) == [5.3, 5.4]


def test_once_a_loop() -> None:
    """The next loop that is slow is shown as well."""
    world, worker = watched(slow_loop=5.0)
    world.pass_time(20.0)
    world.begins_loop(worker)
    world.pass_time(20.0)
    assert times(world, effects.Dump) == [5.0, 25.0]


def test_a_loop_that_begins_between_two_looks() -> None:
    """It is caught at its own deadline, not at the next look."""
    world, worker = watched(slow_loop=5.0)
    world.pass_time(3.0)
    world.begins_loop(worker)
    world.pass_time(100.0)
    assert times(world, effects.Dump) == [8.0]


def test_loop_timeout() -> None:
    """Its stacks first, and 0.3 s for that; then it's killed, and replaced at once."""
    world, worker = watched(loop_timeout=5.0)
    world.pass_time(5.2)
    assert times(world, effects.Dump) == [5.0]
    assert not world.count(effects.Kill)
    world.pass_time(0.2)
    assert times(world, effects.Kill) == [5.3]
    assert not worker.alive
    death = world.state.groups["web"].deaths[-1]
    assert death.by == "the master: its loop ran longer than loop_timeout (5 s)"
    assert death.level == "error"
    world.settle()
    checks.at_rest(world)


def test_the_successor_is_watched_as_well() -> None:
    """A worker that is killed for it again and again."""
    world, _ = watched(loop_timeout=5.0)
    for _ in range(3):
        world.pass_time(6.0)
        world.settle()
    assert world.count(effects.Kill) == 3


def test_pardoned() -> None:
    """The loop has ended while it wrote its stacks: the next one is not killed for it."""
    world, worker = watched(loop_timeout=5.0)
    world.pass_time(5.1)
    world.begins_loop(worker)
    world.pass_time(4.9)
    assert not world.count(effects.Kill)
    (why,) = [e.why for _, e in world.done if isinstance(e, effects.ShowStack)]
    assert "ended a loop just before it was killed" in why
    world.pass_time(0.5)
    assert times(world, effects.Kill) == [10.4]  # for its own age: 5.1 + 5 + 0.3


def test_both() -> None:
    """Shown first, ended later; a dump for each."""
    world, _ = watched(slow_loop=2.0, loop_timeout=5.0)
    world.pass_time(10.0)
    assert times(world, effects.Dump) == [2.0, 5.0]
    assert times(world, effects.ShowStack) == [2.3]
    assert times(world, effects.Kill) == [5.3]


def test_both_at_nearly_the_same_time() -> None:
    """loop_timeout passes while the stacks for slow_loop are written."""
    world, _ = watched(slow_loop=4.9, loop_timeout=5.0)
    world.pass_time(10.0)
    assert times(world, effects.ShowStack) == [5.2]
    assert len(times(world, effects.Kill)) == 1
    assert 5.3 <= times(world, effects.Kill)[0] <= 5.6


@pytest.mark.parametrize("workers", [1, 4])
def test_no_more_looks_than_needed(workers: int) -> None:
    """An hour of short loops: one look each loop_timeout, however many workers."""
    world, _ = watched(loop_timeout=30.0, workers=workers)
    ticks(world, 3600.0, loops=0.1)
    assert 119 <= world.count(effects.Look) <= 3600 / 29.9 + 1
    assert not world.count(effects.Dump)


def test_no_more_looks_while_all_rest() -> None:
    """Who is in no loop can't be too old before another loop_timeout has passed."""
    world, worker = watched(loop_timeout=30.0)
    worker.life = Life.WAITING  # as the scoreboard has a rest: in no loop
    world.pass_time(3600.0)
    assert 119 <= world.count(effects.Look) <= 121


def test_none_are_missed() -> None:
    """Loops that are a little too long are all found, however they lie."""
    world, worker = watched(slow_loop=5.0, workers=1)
    for loops in range(1, 50):
        world.begins_loop(worker)
        world.pass_time(5.3 + loops * 0.13)
        assert world.count(effects.ShowStack) == loops


def test_nothing_set() -> None:
    """Neither is set: no alarm, no look."""
    world, _ = watched()
    assert world.state.next_alarm == math.inf
    world.pass_time(1e6)
    assert not world.count(effects.Look)


@pytest.mark.parametrize(("overlap", "told"), [(True, "hold"), (False, "reload")])
def test_who_leaves_is_watched(overlap: bool, told: str) -> None:
    """A worker told to hold, or to make way, in a loop that hangs, is ended as well."""
    world, worker = watched(loop_timeout=5.0, overlap=overlap)
    client = world.reload()
    world.settle(worker)
    assert [tell.verb for tell in worker.inbox] == [told]
    world.pass_time(5.3)
    assert times(world, effects.Kill) == [5.3]
    world.recover()
    assert world.answers[client].status == 0
    checks.at_rest(world)


@pytest.mark.parametrize("verb", ["quit", "stop"])
def test_who_leaves_for_good_is_watched(verb: str) -> None:
    """loop_timeout counts in the end of the service as well: a quit hangs on no loop."""
    world, worker = watched(loop_timeout=5.0)
    world.pass_time(1.0)
    world.ask(verb)
    world.pass_time(10.0)
    assert not worker.alive
    assert [end.status for end in world.exits] == [1]
    assert "in a loop for 5.3 s" in world.exits[0].text


def test_a_reload_sets_it() -> None:
    """Where the new settings have a loop_timeout, the new workers are watched."""
    world = serving()
    world.reload({"web": Policy(loop_timeout=5.0)})
    world.settle()
    world.pass_time(6.0)
    assert world.count(effects.Kill) == 1


def test_a_reload_makes_it_shorter() -> None:
    """The new timeout counts at once, not when the old one would have been over."""
    world = serving(loop_timeout=10_000.0)
    world.reload({"web": Policy(loop_timeout=5.0)})
    world.settle()
    world.pass_time(6.0)
    assert world.count(effects.Kill) == 1


def test_each_group_has_its_own() -> None:
    """What is too long in one group is all right in another."""
    world = World({"web": Policy(loop_timeout=5.0), "mail": Policy(loop_timeout=50.0)})
    world.start()
    world.settle()
    mail = world.only("mail", 0)
    world.pass_time(40.0)
    assert mail.alive
    world.pass_time(15.0)
    assert not mail.alive


def test_the_limit_stays_with_its_worker() -> None:
    """A canary's loop is too old just when a stop ends the reload that brought loop_timeout."""
    world, elder = watched()
    world.reload({"web": Policy(loop_timeout=5.0)})
    canary = world.newest()
    world.born(canary)
    world.ready(canary)
    world.obey(elder)  # it holds
    world.obey(canary)  # it goes to work
    world.pass_time(5.1)
    assert times(world, effects.Dump) == [5.0]
    world.ask("stop")
    world.pass_time(1.0)
    assert times(world, effects.Kill) == [5.3]
    assert not canary.alive and elder.alive
