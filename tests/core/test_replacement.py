"""Staying up: who dies is replaced, at once or later, but never not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest

from naruto.core import effects
from naruto.core.ids import SlotId
from naruto.core.policy import Policy
from naruto.core.staffing import delay

from . import checks
from .world import Life, World, serving


@pytest.mark.parametrize(
    ("failures", "least", "most"),
    [
        (0, 0, 0),
        (1, 0.45, 0.55),
        (2, 0.9, 1.1),
        (3, 1.8, 2.2),
        (6, 14.4, 17.6),
        (7, 27, 33),
        (8, 27, 33),
        (10_000, 27, 33),
    ],
)
def test_delay(failures: int, least: float, most: float) -> None:
    """The pause doubles from 0.5 s to 30 s, a tenth more or less."""
    pauses = [delay(failures, serial) for serial in range(500)]
    assert least <= min(pauses)
    assert max(pauses) <= most


def test_delay_is_spread() -> None:
    """Slots that failed together do not come back together."""
    pauses = sorted(delay(1, serial) for serial in range(10))
    assert all(later - earlier > 0.002 for earlier, later in pairwise(pauses))


def crash_early(world: World) -> float:
    """Let the worker crash as soon as it works; return the pause before the next."""
    world.settle()
    world.crash(world.only("web", 0))
    assert not world.alive()
    pause = world.state.next_alarm - world.clock
    world.pass_time(pause)
    return pause


def test_long_life_is_followed_at_once() -> None:
    """Who lived min_uptime is replaced in the same decision."""
    world = serving()
    world.crash(world.only("web", 0))
    assert world.only("web", 0).life is Life.UNBORN
    world.settle()
    checks.at_rest(world)


def test_short_lives_back_off() -> None:
    """Each life too short doubles the pause; a long one forgives them all."""
    world = serving()
    world.crash(world.only("web", 0))
    pauses = [crash_early(world) for _ in range(9)]
    assert all(0.45 <= pause / 2.0**i <= 0.55 for i, pause in enumerate(pauses[:6]))
    assert all(27 <= pause <= 33 for pause in pauses[6:])
    world.settle()
    world.pass_time(1.0)
    world.crash(world.only("web", 0))
    assert world.only("web", 0).life is Life.UNBORN
    assert 0.45 <= crash_early(world) <= 0.55


def test_never_ready_is_no_life() -> None:
    """A worker that took an hour and was never READY has failed, however old it was."""
    world = serving(start_timeout=None)
    world.crash(world.only("web", 0))
    world.born(world.only("web", 0))
    world.pass_time(3600.0)
    world.crash(world.only("web", 0))
    assert not world.alive()
    assert 0.45 <= world.state.next_alarm - world.clock <= 0.55


def test_slots_back_off_alone() -> None:
    """One bad slot doesn't slow down its neighbours."""
    world = serving(workers=2)
    world.crash(world.only("web", 0))
    world.settle()
    world.crash(world.only("web", 0))
    world.crash(world.only("web", 1))
    assert [w.id.index for w in world.alive()] == [1]
    world.settle()
    world.pass_time(1.0)
    world.settle()
    checks.at_rest(world)


def test_failed_forks_back_off() -> None:
    """A kernel that gives no process is asked again, later each time, for ever."""
    world = serving()
    world.crash(world.only("web", 0))
    for failures in range(1, 12):
        world.fork_fails(world.newest())
        pause = world.state.next_alarm - world.clock
        assert 0.9 <= pause / min(30.0, 0.5 * 2.0 ** (failures - 1)) <= 1.1
        world.pass_time(pause)
    world.settle()
    checks.at_rest(world)


def test_start_timeout_when_up() -> None:
    """A replacement that isn't READY in time is killed and tried again; the service stays."""
    world = serving(workers=2)
    world.crash(world.only("web", 0))
    world.born(world.only("web", 0))
    world.pass_time(31.0)
    assert world.count(effects.Kill) == 1
    world.settle()
    checks.at_rest(world)
    assert not world.exits


def test_told_by_hand() -> None:
    """Who was told by hand is replaced at once, however short its life was."""
    world = serving()
    for _ in range(5):
        worker = world.only("web", 0)
        world.tell_by_hand(worker)
        world.obey(worker)
        assert world.alive() == [worker]
        world.end(worker)
        assert world.only("web", 0).life is Life.UNBORN
        world.settle()
    checks.at_rest(world)


def test_leaving_by_itself_in_a_hurry() -> None:
    """Too many errors in a short life: a failure like any other."""
    world = serving()
    world.crash(world.only("web", 0))
    world.settle()
    worker = world.only("web", 0)
    world.leave(worker)
    world.end(worker, 1)
    assert not world.alive()
    assert world.state.next_alarm > world.clock


@pytest.mark.parametrize(("stop_timeout", "killed"), [(25.0, True), (None, False)])
def test_on_stop_has_a_deadline(stop_timeout: float | None, killed: bool) -> None:
    """Who hangs in on_stop after its last loop is killed after stop_timeout, if set."""
    world = serving(stop_timeout=stop_timeout)
    world.leave(world.only("web", 0))
    world.pass_time(24.9)
    assert not world.count(effects.Kill)
    world.pass_time(0.2)
    assert bool(world.count(effects.Kill)) is killed
    world.settle()
    checks.at_rest(world)


def test_successor_waits_for_a_stranger() -> None:
    """A slot whose stranger still works gets its worker, which waits; so do its successors."""
    world = World({"web": Policy()})
    world.start(frozenset({SlotId("web", 0)}))
    world.settle()
    world.pass_time(60.0)
    world.crash(world.only("web", 0))
    world.settle()
    assert world.only("web", 0).life is Life.WAITING
    world.stranger_goes(SlotId("web", 0))
    world.settle()
    checks.at_rest(world)


def test_idle_service_sleeps() -> None:
    """At rest there is no alarm at all: an idle master doesn't wake."""
    world = serving(workers=4)
    assert world.state.next_alarm == float("inf")
    before = len(world.done)
    world.pass_time(1e9)
    assert len(world.done) == before
