"""The start: all at once, in batches that leave the master free, over at the first death."""

from __future__ import annotations

from naruto.core import effects, events
from naruto.core.deaths import End
from naruto.core.decide import decide
from naruto.core.ids import SlotId, WorkerId
from naruto.core.lifecycle import Phase
from naruto.core.policy import Policy
from naruto.core.staffing import FORKS_AT_ONCE
from naruto.core.state import State

from . import checks
from .world import Life, World


def starting(**groups: int) -> World:
    """Return a world whose service was just told to start."""
    world = World({name: Policy(workers=workers) for name, workers in groups.items()})
    world.start()
    return world


def test_up_when_all_are_ready() -> None:
    """Nobody begins before the last is READY; then all do, and the service is up."""
    world = starting(web=2, mail=1)
    for worker in world.alive():
        world.born(worker)
    *early, last = world.alive()
    for worker in early:
        world.ready(worker)
    assert not world.up
    assert not any(worker.inbox for worker in world.alive())
    world.ready(last)
    assert world.up
    assert [world.told(worker) for worker in world.alive()] == [["go"]] * 3
    world.settle()
    checks.at_rest(world)
    assert world.count(effects.Announce) == 1


def test_serials_and_indexes() -> None:
    """Each worker has an index of its group and a serial of its own."""
    world = starting(web=2, mail=1)
    assert [str(who) for who in world.workers] == ["web-0.1", "web-1.2", "mail-0.3"]


def test_forks_come_in_batches() -> None:
    """So many forks are asked for at once; when half of them are born, as many more."""
    half = FORKS_AT_ONCE // 2
    world = starting(web=2 * FORKS_AT_ONCE)
    first = world.alive()
    assert len(first) == FORKS_AT_ONCE
    for worker in first[: half - 1]:
        world.born(worker)
    assert len(world.alive()) == FORKS_AT_ONCE
    world.born(first[half - 1])
    assert len(world.alive()) == FORKS_AT_ONCE + half
    world.settle()
    checks.at_rest(world)


def test_stop_needs_no_wait_for_the_batches() -> None:
    """A stop in the middle of a big start calls off the forks not yet asked for."""
    world = starting(web=FORKS_AT_ONCE + 8)
    world.ask("stop")
    world.settle()
    assert len(world.workers) == FORKS_AT_ONCE
    assert world.exits == [effects.Exit(0)]


def test_death_before_ready_ends_the_start() -> None:
    """The first worker that dies before READY ends all, with 1 and its traceback."""
    world = starting(web=3)
    for worker in world.alive():
        world.born(worker)
    first, second, third = world.alive()
    world.ready(first)
    world.crash(second)
    assert world.told(first) == world.told(third) == ["stop"]
    assert not world.exits
    world.settle()
    (end,) = world.exits
    assert end.status == 1
    assert "web-1.2 ended with exit status 1 before it was READY" in end.text
    assert "ZeroDivisionError" in end.text
    assert len(world.workers) == 3


def test_the_only_worker_dies_before_ready() -> None:
    """With nobody left to wait for, the master ends in the same decision."""
    world = starting(web=1)
    world.born(world.alive()[0])
    world.crash(world.alive()[0])
    assert [end.status for end in world.exits] == [1]


def test_start_timeout() -> None:
    """A worker that isn't READY within start_timeout is killed, and that ends the start."""
    world = starting(web=1)
    world.born(world.alive()[0])
    world.pass_time(29.9)
    assert not world.count(effects.Kill)
    world.pass_time(0.2)
    (end,) = world.exits
    assert end.status == 1
    assert "not READY within start_timeout (30 s)" in end.text


def test_no_start_timeout() -> None:
    """With start_timeout none a slow worker is waited for, for ever."""
    world = World({"web": Policy(start_timeout=None)})
    world.start()
    world.born(world.alive()[0])
    assert not world.state.alarms
    world.pass_time(1e9)
    world.settle()
    checks.at_rest(world)


def test_failed_fork_is_tried_again() -> None:
    """The kernel's refusal is no death: the start goes on, later each time."""
    world = starting(web=1)
    pauses = []
    for _ in range(3):
        world.fork_fails(world.newest())
        assert not world.alive()
        pauses.append(world.state.next_alarm - world.clock)
        world.pass_time(pauses[-1])
    assert 0.45 <= pauses[0] <= 0.55
    assert 0.9 <= pauses[1] <= 1.1
    assert 1.8 <= pauses[2] <= 2.2
    world.settle()
    checks.at_rest(world)


def test_ready_worker_that_dies_during_the_start() -> None:
    """Who was READY has shown that the program starts: it is replaced, with a pause."""
    world = starting(web=2)
    first, second = world.alive()
    world.born(first)
    world.ready(first)
    world.born(second)
    world.crash(first)
    assert world.alive() == [second]
    world.ready(second)
    assert not world.up
    world.pass_time(1.0)
    world.settle()
    assert world.up
    checks.at_rest(world)


def test_ready_worker_that_keeps_dying_during_the_start() -> None:
    """It is not forked again in a busy loop."""
    world = starting(web=2)
    slow = world.only("web", 1)
    world.born(slow)
    for _ in range(20):
        for worker in world.alive("web", 0):
            world.born(worker)
            world.ready(worker)
            world.crash(worker)
        world.pass_time(0.1)
    assert len(world.workers) < 8


def test_stop_before_ready() -> None:
    """A worker told to leave before it's READY ends on_start, runs no loop, and goes."""
    world = starting(web=1)
    worker = world.alive()[0]
    world.ask("stop")
    world.born(worker)
    world.ready(worker)
    world.obey(worker)
    assert worker.life is Life.ENDING
    world.end(worker)
    assert world.told(worker) == ["stop"]
    assert world.exits == [effects.Exit(0)]
    assert not world.up


def test_reload_asked_for_during_the_start_runs_after_it() -> None:
    """It waits until the service is up, and isn't lost."""
    world = starting(web=1)
    client = world.ask("reload")
    assert not world.reading
    world.settle()
    assert world.reading
    world.read_settings()
    world.settle()
    assert world.answers[client].status == 0
    assert world.generations("web") == [2]


def test_stranger_keeps_its_index() -> None:
    """The worker of a dead master is waited for; other indexes begin at once."""
    world = World({"web": Policy(workers=2)})
    world.start(frozenset({SlotId("web", 0)}))
    world.settle()
    assert world.up
    assert [w.life for w in world.alive()] == [Life.WAITING, Life.WORKING]
    world.stranger_goes(SlotId("web", 0))
    world.settle()
    checks.at_rest(world)


def test_stranger_beyond_the_workers() -> None:
    """Its index is free only once it's gone, also where a reload makes that index anew."""
    world = World({"web": Policy(workers=1)})
    world.start(frozenset({SlotId("web", 1), SlotId("gone", 0)}))
    world.settle()
    client = world.reload({"web": Policy(workers=2)})
    world.settle()
    assert world.only("web", 1).life is Life.WAITING
    world.stranger_goes(SlotId("web", 1))
    world.stranger_goes(SlotId("gone", 0))
    world.settle()
    checks.at_rest(world)
    assert world.answers[client].status == 0


def test_reports_about_nobody() -> None:
    """What is said of the dead, the unborn and those who never were changes nothing."""
    world = starting(web=1)
    before = world.state
    (unborn,) = world.workers
    for who in (unborn, WorkerId("web", 0, 99), WorkerId("web", 9, 1), WorkerId("x", 0, 1)):
        for event in (
            events.BecameReady(who),
            events.FirstLoopEnded(who),
            events.Held(who, 1),
            events.LastLoopEnded(who),
            events.Exited(who, End(0)),
        ):
            assert decide(world.state, event, world.clock) == (before, [])


def test_deciding_changes_no_argument() -> None:
    """The same arguments give the same result, because none of them is changed."""
    started = events.Started({"web": Policy(workers=3)}, 1)
    state = State()
    first, second = decide(state, started, 5.0), decide(state, started, 5.0)
    assert first == second
    assert state == State()
    assert {worker.phase for worker in first[0].workers()} == {Phase.FORKING}
