"""The restart policy: who is followed by a new worker, and when a group is given up."""

from __future__ import annotations

import pytest

from naruto.core import effects, events
from naruto.core.ids import SlotId
from naruto.core.policy import Policy
from naruto.core.units import Share

from . import checks
from .world import FakeWorker, Life, World, serving

ALLOWED = {"exit_codes": (0, 3)}


def ends(world: World, worker: FakeWorker, how: int | str) -> None:
    """Let a worker end by an exit code or a signal."""
    world.end(
        worker, how if isinstance(how, int) else None, how if isinstance(how, str) else ""
    )


def lives_and_crashes(world: World, group: str = "web", uptime: float = 1.5) -> None:
    """Let a group's first worker live a little longer than min_uptime, and crash."""
    world.settle()
    world.pass_time(uptime)
    world.crash(world.only(group, 0))


# Who is started again


@pytest.mark.parametrize(
    ("restart", "how", "again"),
    [
        *[("always", how, True) for how in (0, 3, 1, "SEGV")],
        *[("unexpected", 0, False), ("unexpected", 3, False)],
        *[("unexpected", 1, True), ("unexpected", "SEGV", True)],
        *[("never", how, False) for how in (0, 3, 1, "SEGV")],
    ],
)
def test_who_is_started_again(restart: str, how: int | str, again: bool) -> None:
    """Each restart policy with each kind of end; the neighbour does not notice."""
    world = serving(workers=2, restart=restart, **ALLOWED)
    first, second = world.alive()
    ends(world, first, how)
    world.recover()
    assert sorted(w.id.index for w in world.alive()) == ([0, 1] if again else [1])
    assert world.only("web", 1) is second
    checks.at_rest(world)


def test_exit_codes_may_leave_out_0() -> None:
    """Where 0 is none of exit_codes it is as unexpected as any other."""
    world = serving(restart="unexpected", exit_codes=(7,))
    ends(world, world.only("web", 0), 0)
    world.recover()
    ends(world, world.only("web", 0), 7)
    assert [end.status for end in world.exits] == [0]


def test_killed_by_the_master_is_unexpected() -> None:
    """Whoever did not leave in time has not ended as allowed, whatever its status says."""
    world = serving(workers=2, restart="unexpected")
    late = world.only("web", 0)
    world.leave(late)
    world.clock += 25.0  # stop_timeout
    world.feed(events.TimePassed())
    assert late.killed
    world.end(late, 0)  # a moment before the signal came
    world.recover()
    assert len(world.alive()) == 2


def test_short_life_that_is_allowed_is_no_failure() -> None:
    """A worker with nothing to do ends at once: nobody is called failing for it."""
    world = serving(workers=2, restart="unexpected")
    ends(world, world.only("web", 0), 1)
    world.settle()
    ends(world, world.only("web", 0), 0)
    assert not world.state.groups["web"].failing(world.clock)
    assert world.state.next_alarm == float("inf")


# A service that ends by itself


@pytest.mark.parametrize("restart", ["never", "unexpected"])
def test_all_have_ended(restart: str) -> None:
    """When the last worker has ended as allowed, so has the service, with 0."""
    world = serving(workers=2, restart=restart)
    first, second = world.alive()
    ends(world, first, 0)
    assert not world.exits
    ends(world, second, 0)
    assert world.exits == [effects.Exit(0)]


def test_one_has_ended_badly() -> None:
    """A worker that was not started again and ended badly makes it 1, and says why."""
    world = serving(workers=2, restart="never")
    first, second = world.alive()
    world.crash(first)
    ends(world, second, 0)
    (end,) = world.exits
    assert end.status == 1
    assert f"{first.id} ended with exit status 1\nZeroDivisionError" in end.text


def test_the_last_end_counts() -> None:
    """A crash that was made good by the next worker is forgotten: 0."""
    world = serving(restart="unexpected")
    lives_and_crashes(world)
    world.settle()
    ends(world, world.only("web", 0), 0)
    assert world.exits == [effects.Exit(0)]


def test_another_group_goes_on() -> None:
    """One group has done its work; the service goes on for the other."""
    world = serving({"web": Policy(restart="never"), "mail": Policy()})
    ends(world, world.only("web", 0), 0)
    world.pass_time(3600.0)
    assert not world.exits
    checks.at_rest(world)


def test_done_work_is_done_again_after_a_reload() -> None:
    """New code, new workers: a reload starts again what had ended."""
    world = serving({"web": Policy(restart="never"), "mail": Policy()})
    ends(world, world.only("web", 0), 0)
    client = world.reload()
    world.settle()
    assert world.answers[client].status == 0
    assert world.generations("web") == [2]
    checks.at_rest(world)


# Giving up


def limited(most: int = 3, window: float = 60.0, workers: int = 1, **more: Policy) -> World:
    """Return a world whose group web may not need more restarts than these."""
    policy = Policy(workers=workers, max_restarts=most, restart_window=window)
    return serving({"web": policy, **more})


def fatal(world: World, name: str = "web") -> str:
    """Why a group was given up."""
    return world.state.groups[name].fatal


def given_up(**more: Policy) -> World:
    """Return a world whose group web is FATAL, and that goes on."""
    world = limited(1, **(more or {"mail": Policy()}))
    for _ in range(2):
        lives_and_crashes(world)
    assert fatal(world)
    return world


def test_fatal_at_one_more_than_max_restarts() -> None:
    """Exactly max_restarts are forgiven, one more is not: lives above min_uptime count."""
    world = limited(3)
    for _ in range(3):
        lives_and_crashes(world)
    assert not fatal(world)
    lives_and_crashes(world)
    assert "more than 3 restarts (max_restarts) within 60 s (restart_window)" in fatal(world)
    assert "ZeroDivisionError" in fatal(world)
    assert [end.status for end in world.exits] == [5]


def test_short_lives_count_too() -> None:
    """A worker that dies at start is given up in its backoff: nobody is tried again."""
    world = limited(2)
    lives_and_crashes(world)
    for _ in range(2):
        world.pass_time(world.state.next_alarm - world.clock if not world.alive() else 0.0)
        world.born(world.only("web", 0))
        world.crash(world.only("web", 0))
    assert fatal(world)
    assert not world.state.alarms


@pytest.mark.parametrize(("uptime", "ends_so"), [(10.0, False), (9.9, True)])
def test_only_restarts_within_the_window_count(uptime: float, ends_so: bool) -> None:
    """One restart each restart_window is none too many with max_restarts 1, for ever."""
    world = limited(1, window=10.0)
    for _ in range(50):
        if not world.exits:
            lives_and_crashes(world, uptime=uptime)
    assert bool(world.exits) is ends_so


def test_restarts_of_all_slots_count_together() -> None:
    """It is the group that is given up, not a slot."""
    world = limited(3, workers=4)
    for worker in world.alive():
        world.crash(worker)
    assert fatal(world)


def test_the_others_are_told_to_quit() -> None:
    """Who still works in a FATAL group finishes its loop; nobody is started there."""
    world = limited(1, workers=2, mail=Policy())
    other = world.only("web", 1)
    for _ in range(2):
        lives_and_crashes(world)
    assert fatal(world)
    assert other.told == ["quit"]
    world.settle()
    world.pass_time(3600.0)
    assert [w.id.group for w in world.alive()] == ["mail"]
    assert not world.exits
    assert not world.count(effects.Kill)


def test_waiting_for_others_of_the_last_group() -> None:
    """The service ends with 5, but not before the FATAL group's last loop is over."""
    world = limited(1, workers=2)
    for _ in range(2):
        lives_and_crashes(world)
    assert not world.exits
    world.pass_time(3600.0)
    assert not world.exits
    world.settle()
    (end,) = world.exits
    assert end.status == 5
    assert "group web is FATAL: more than 1 restarts" in end.text


def test_all_groups_are_fatal() -> None:
    """5 when the last group is given up, and the text names them all."""
    world = given_up(mail=Policy(max_restarts=1))
    assert not world.exits
    for _ in range(2):
        lives_and_crashes(world, "mail")
    (end,) = world.exits
    assert end.status == 5
    assert "group web is FATAL" in end.text and "group mail is FATAL" in end.text


def test_one_is_fatal_and_the_other_is_done() -> None:
    """Nothing runs any more, and not all went well: 5."""
    world = given_up(mail=Policy(restart="never"))
    ends(world, world.only("mail", 0), 0)
    assert [end.status for end in world.exits] == [5]


def test_a_reload_brings_it_back() -> None:
    """``reload GROUP`` starts the FATAL group anew, and its restarts count from zero."""
    world = given_up()
    mail = world.only("mail", 0)
    client = world.reload(None, "web")
    world.settle()
    assert world.answers[client].status == 0
    assert not fatal(world)
    assert world.only("mail", 0) is mail
    checks.at_rest(world)
    lives_and_crashes(world)
    assert not fatal(world)


@pytest.mark.parametrize("refused_by", ["settings", "canary"])
def test_a_refused_reload_leaves_it_fatal(refused_by: str) -> None:
    """Bad settings, or code that still fails: FATAL as before, and nobody is tried."""
    world = given_up()
    before = fatal(world)
    if refused_by == "settings":
        client = world.ask("reload", "web")
        world.refuse_settings()
    else:
        client = world.reload(None, "web")
        canary = world.only("web", 0)
        world.born(canary)
        world.crash(canary)
    world.settle()
    world.pass_time(3600.0)
    assert world.answers[client].status == (2 if refused_by == "settings" else 1)
    assert fatal(world) == before
    assert not world.alive("web")
    assert not world.exits
    checks.at_rest(world)


def test_a_reload_that_is_under_way_is_the_remedy() -> None:
    """The last group is given up while settings are read: the reload still brings it back."""
    world = limited(1)
    lives_and_crashes(world)
    world.settle()
    client = world.ask("reload")
    lives_and_crashes(world)
    assert fatal(world)
    assert not world.exits
    world.read_settings()
    world.settle()
    assert world.answers[client].status == 0
    assert not fatal(world)
    checks.at_rest(world)


def test_last_group_and_refused_reload() -> None:
    """Where that reload is refused, too, nothing is left to run: 5."""
    world = limited(1)
    lives_and_crashes(world)
    world.settle()
    client = world.ask("reload")
    lives_and_crashes(world)
    world.refuse_settings()
    assert world.answers[client].status == 2
    assert [end.status for end in world.exits] == [5]


@pytest.mark.parametrize("how", ["by hand", "recycled", "reloaded"])
def test_who_was_to_leave_does_not_count(how: str) -> None:
    """Only who had to be started again counts: not who was told, nor who asked."""
    world = limited(1)
    for _ in range(5):
        if how == "by hand":
            world.tell_by_hand(world.only("web", 0))
        elif how == "recycled":
            world.asks_for_recycling(world.only("web", 0))
        else:
            world.reload()
        world.settle()
    assert len(world.workers) == 6
    assert not world.state.groups["web"].restarts
    lives_and_crashes(world)
    assert not fatal(world)


def test_a_reload_forgives() -> None:
    """What the old code has needed is not held against the new one."""
    world = limited(1)
    for _ in range(3):
        lives_and_crashes(world)
        world.reload()
        world.settle()
    assert not fatal(world)


def test_a_slot_in_its_backoff_is_given_up_as_well() -> None:
    """Nobody is started in a FATAL group, neither now nor later."""
    world = limited(2, workers=2, mail=Policy())
    world.crash(world.only("web", 1))
    world.settle()
    world.crash(world.only("web", 1))
    assert SlotId("web", 1) in world.state.alarms
    world.crash(world.only("web", 0))
    assert fatal(world)
    assert not world.state.alarms
    world.recover()
    assert not world.alive("web")


# Backing off


def backing_off(**fields: object) -> World:
    """Return a world whose only worker is tried again much later."""
    world = serving(**fields)
    world.crash(world.only("web", 0))
    for _ in range(6):
        world.pass_time(world.state.next_alarm - world.clock if not world.alive() else 0.0)
        world.born(world.only("web", 0))
        world.crash(world.only("web", 0))
    assert world.state.next_alarm - world.clock > 10.0
    return world


@pytest.mark.parametrize("overlap", [True, False])
def test_a_reload_never_waits_for_a_backoff(overlap: bool) -> None:
    """The canary is asked for at once, and the reload is done in no time."""
    world = backing_off(overlap=overlap)
    client = world.reload()
    assert world.newest().life is Life.UNBORN
    world.settle()
    assert world.answers[client].status == 0
    checks.at_rest(world)


def test_a_reload_never_waits_for_a_backoff_elsewhere() -> None:
    """Also where the slot that is tried again later is not the canary's."""
    world = serving(workers=3, surge=Share(1))
    for _ in range(4):
        world.settle()
        world.crash(world.only("web", 2))
        if not world.alive("web", 2):
            world.pass_time(world.state.next_alarm - world.clock)
    world.settle()
    world.crash(world.only("web", 2))
    assert not world.alive("web", 2)
    client = world.reload()
    world.settle()
    assert world.answers[client].status == 0
    checks.at_rest(world)


@pytest.mark.parametrize("verb", ["quit", "stop"])
def test_an_end_never_waits_for_a_backoff(verb: str) -> None:
    """Nobody is left to be waited for."""
    world = backing_off()
    client = world.ask(verb)
    assert world.exits == [effects.Exit(0)]
    assert world.answers[client].status == 0


def test_at_most_8_forks_in_30_seconds() -> None:
    """A worker that dies at start, whenever it is tried."""
    world = serving()
    began, before = world.clock, len(world.workers)
    world.crash(world.only("web", 0))
    while world.clock < began + 30.0:
        for worker in world.alive():
            world.born(worker)
            world.crash(worker)
        world.pass_time(0.01)
    assert 5 <= len(world.workers) - before <= 8


def test_failing_is_shown_until_one_lives_well() -> None:
    """A slot fails from its first short life on until a worker has lived min_uptime."""
    world = serving(workers=2)
    world.crash(world.only("web", 1))
    world.settle()
    assert not world.state.groups["web"].failing(world.clock)
    world.crash(world.only("web", 1))
    group = world.state.groups["web"]
    assert group.failing(world.clock) == [1]
    assert "ZeroDivisionError" in group.slots[1].trouble
    assert SlotId("web", 1) in world.state.alarms
    world.pass_time(1.0)
    world.settle()
    assert world.state.groups["web"].failing(world.clock) == [1]
    world.pass_time(1.0)
    assert not world.state.groups["web"].failing(world.clock)


# Reloads of workers that end by themselves


def test_a_canary_that_ends_as_allowed_passes() -> None:
    """It has done its work: the others follow, and its slot stays empty."""
    world = serving(workers=3, restart="unexpected", surge=Share(1))
    client = world.reload()
    canary = world.newest()
    world.born(canary)
    world.ready(canary)
    world.obey(world.alive("web", 0)[0])
    world.obey(canary)
    ends(world, canary, 0)
    world.settle()
    assert world.answers[client].status == 0
    assert [(w.id.index, w.generation) for w in world.alive()] == [(1, 2), (2, 2)]
    checks.at_rest(world)


def test_a_canary_that_ends_as_not_allowed_does_not() -> None:
    """Restart never starts nobody again, and still refuses code that fails."""
    world = serving(workers=2, restart="never")
    client = world.reload()
    canary = world.newest()
    world.born(canary)
    world.crash(canary)
    world.settle()
    assert world.answers[client].status == 1
    assert world.generations("web") == [1, 1]
    checks.at_rest(world)
