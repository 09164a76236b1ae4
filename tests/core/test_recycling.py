"""Recycling: who asks is replaced, READY first, a few at a time, and never during a reload."""

from __future__ import annotations

import pytest

from naruto.core import events
from naruto.core.units import Share

from . import checks
from .world import Life, World, serving


def born_since(world: World, workers: int) -> list[int]:
    """The indexes of those asked for after the first so many, in order."""
    return [who.index for who in list(world.workers)[workers:]]


@pytest.mark.parametrize(
    ("surge", "most"), [(Share(1), 1), (Share(2), 2), (Share(100, True), 5)]
)
def test_at_most_surge_at_a_time(surge: Share, most: int) -> None:
    """All ask at once; so many are granted, and each that is done makes room for one."""
    world = serving(workers=5, surge=surge)
    for worker in world.alive():
        world.asks_for_recycling(worker)
    assert born_since(world, 5) == list(range(most))
    first = world.newest()
    for worker in world.alive():
        if worker.life is Life.UNBORN:
            world.born(worker)
    assert len(world.alive()) == 5 + most
    world.ready(first)
    old = world.alive("web", first.id.index)[0]
    world.obey(old)
    world.end(old)
    assert len(world.workers) == 5 + min(5, most + 1)
    world.settle()
    assert sorted(born_since(world, 5)) == [0, 1, 2, 3, 4]
    checks.at_rest(world)


def test_oldest_asker_first() -> None:
    """Not the lowest index: who has waited longest."""
    world = serving(workers=4, surge=Share(1))
    for index in (2, 0, 3, 1):
        world.asks_for_recycling(world.only("web", index))
        world.pass_time(1.0)
    world.settle()
    assert born_since(world, 4) == [2, 0, 3, 1]
    checks.at_rest(world)


def test_the_replacement_is_ready_first() -> None:
    """The old one loops on until then, and the new one does not begin before its end."""
    world = serving()
    old = world.only("web", 0)
    world.asks_for_recycling(old)
    new = world.newest()
    world.born(new)
    world.feed(events.Held(old.id, 0))  # late: the slot is looked at, and nothing follows
    assert not old.told
    world.ready(new)
    assert old.told == ["reload"]
    assert not new.inbox
    world.obey(old)
    assert world.told(new) == ["go"]
    world.settle()
    assert new.generation == old.generation
    checks.at_rest(world)


def test_without_overlap() -> None:
    """The old one ends before the new one starts."""
    world = serving(overlap=False)
    old = world.only("web", 0)
    world.asks_for_recycling(old)
    assert old.told == ["reload"]
    world.obey(old)
    assert world.alive() == [old]
    world.end(old)
    assert world.only("web", 0).life is Life.UNBORN
    world.settle()
    checks.at_rest(world)


def test_a_replacement_that_fails() -> None:
    """It is tried again, later each time, and the old one works as if nothing had been."""
    world = serving()
    old = world.only("web", 0)
    world.asks_for_recycling(old)
    for failures in range(1, 4):
        world.born(world.newest())
        world.crash(world.newest())
        assert world.alive() == [old]
        assert old.life is Life.WORKING and not old.told
        pause = world.state.next_alarm - world.clock
        assert 0.9 <= pause / (0.5 * 2.0 ** (failures - 1)) <= 1.1
        world.pass_time(pause)
    world.settle()
    assert not old.alive
    checks.at_rest(world)


def test_a_replacement_that_the_kernel_refuses() -> None:
    """A failed fork is tried again as well."""
    world = serving()
    old = world.only("web", 0)
    world.asks_for_recycling(old)
    world.fork_fails(world.newest())
    assert world.alive() == [old]
    world.pass_time(world.state.next_alarm - world.clock)
    world.settle()
    assert not old.alive
    checks.at_rest(world)


def test_the_asker_dies_meanwhile() -> None:
    """Its replacement is there already and takes over at once: nobody else is started."""
    world = serving()
    old = world.only("web", 0)
    world.asks_for_recycling(old)
    new = world.newest()
    world.born(new)
    world.crash(old)
    world.settle()
    assert world.alive() == [new]
    checks.at_rest(world)


def test_a_reload_calls_it_off() -> None:
    """A reload replaces them all anyway: the replacement under way makes way for it."""
    world = serving(workers=2, surge=Share(1))
    first, second = world.alive()
    for worker in (first, second):
        world.asks_for_recycling(worker)
    new = world.newest()
    world.born(new)
    client = world.reload()
    assert new.told == ["reload"]
    world.settle()
    assert world.answers[client].status == 0
    assert world.generations("web") == [2, 2]
    assert len(world.workers) == 5  # nobody was started twice
    checks.at_rest(world)


def test_it_is_resumed_after_a_refused_reload() -> None:
    """The old ones stay, and what they have asked for is still wanted."""
    world = serving(workers=2, surge=Share(1))
    olds = world.alive()
    for worker in olds:
        world.asks_for_recycling(worker)
    client = world.reload()
    while not (canary := [w for w in world.alive() if w.generation == 2]):
        for worker in world.alive():
            world.step(worker)
    world.born(canary[0])
    world.crash(canary[0])
    world.recover()
    assert world.answers[client].status == 1
    assert not any(worker.alive for worker in olds)
    assert world.generations("web") == [1, 1]
    checks.at_rest(world)


def test_asked_during_a_reload() -> None:
    """Nobody is replaced twice; whom a refused reload leaves is replaced after it."""
    world = serving(workers=2, surge=Share(1))
    other = world.only("web", 1)
    client = world.reload()
    canary = world.newest()
    world.asks_for_recycling(other)
    assert world.newest() is canary
    world.born(canary)
    world.crash(canary)
    world.recover()
    assert world.answers[client].status == 1
    assert not other.alive
    checks.at_rest(world)


def test_asked_twice() -> None:
    """One wish, one replacement."""
    world = serving(workers=2)
    old = world.only("web", 0)
    world.asks_for_recycling(old)
    world.asks_for_recycling(old)
    world.settle()
    assert len(world.workers) == 3
    checks.at_rest(world)


def test_nobody_to_replace() -> None:
    """The wish of who is dead, leaves anyway, or has not begun, changes nothing."""
    world = serving(workers=2)
    dead, leaving = world.alive()
    world.crash(dead)
    starting = world.newest()
    world.leave(leaving)
    for who in (dead, leaving, starting):
        world.feed(events.RecycleAsked(who.id, "max_loops (1)"))
    world.settle()
    assert len(world.workers) == 4
    checks.at_rest(world)


def test_an_end_calls_it_off() -> None:
    """The service ends: nobody is replaced any more."""
    world = serving(workers=2, surge=Share(1))
    for worker in world.alive():
        world.asks_for_recycling(worker)
    world.ask("quit")
    world.settle()
    assert len(world.workers) == 3
    assert [end.status for end in world.exits] == [0]
