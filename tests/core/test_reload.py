"""A reload: the canary, the handing over, the surge, and the way back from everywhere."""

from __future__ import annotations

import attrs
import pytest

from naruto.core import effects, events
from naruto.core.policy import Policy
from naruto.core.units import Share

from . import checks
from .world import FakeWorker, Life, World, serving

ALL = Share(100, True)


def canary(world: World, group: str = "web") -> FakeWorker:
    """Return the only worker of a reload that has just begun."""
    (worker,) = [w for w in world.alive(group) if w.generation == world.generation]
    return worker


def begin(world: World, worker: FakeWorker) -> None:
    """Let the canary be born and become READY, its predecessor hold, and the canary go."""
    world.born(worker)
    world.ready(worker)
    for old in world.alive(*worker.id.slot):
        if old is not worker and old.inbox:
            world.obey(old)
    world.obey(worker)


def refused(world: World, client: str, *, generation: int = 1) -> None:
    """Check that a reload was refused and the old workers are at work again."""
    world.settle()
    assert world.answers[client].status == 1
    assert world.answers[client].text.startswith("reload refused")
    world.recover()
    checks.at_rest(world)
    assert {w.generation for w in world.alive()} == {generation}


def until_flying(world: World, index: int, group: str = "web") -> FakeWorker:
    """Let everybody go on until a new worker for an index is asked for; return it."""
    while True:
        for worker in world.alive():
            new = [w for w in world.alive(group, index) if w.generation == world.generation]
            if new:
                return new[0]
            if worker.alive:
                world.step(worker)


# The canary


def test_canary_comes_first() -> None:
    """One new worker is started, and its predecessor held once it's READY: no one else."""
    world = serving(workers=4)
    world.reload()
    old, *others = world.alive()[:4]
    new = canary(world)
    assert new.id.slot == old.id.slot
    world.born(new)
    assert world.told(old) == ["go"]
    world.ready(new)
    assert world.told(old) == ["go", "hold"]
    assert world.told(new) == []
    world.obey(old)
    tell = new.inbox[0]
    assert (tell.verb, tell.args) == ("go", {"canary": True})
    world.obey(new)
    assert len(world.alive()) == 5
    assert [world.told(w) for w in others] == [["go"]] * 3


def test_canary_passes_with_its_first_loop() -> None:
    """Then its predecessor leaves without another loop, and the others follow."""
    world = serving(workers=4)
    client = world.reload()
    old, new = world.alive()[0], canary(world)
    begin(world, new)
    world.looped(new)
    assert world.told(old) == ["go", "hold", "reload"]
    world.settle()
    assert world.answers[client] == effects.Answer(
        client, 0, "reloaded: 4 workers run generation 2"
    )
    assert world.generations("web") == [2] * 4
    checks.at_rest(world)


def test_looped_twice() -> None:
    """What a canary says twice counts once."""
    world = serving(workers=2)
    world.reload()
    new = canary(world)
    begin(world, new)
    world.looped(new)
    before = world.state
    world.feed(events.FirstLoopEnded(new.id))
    assert world.state == before


FAILURES = ["fork", "on_start", "ready", "too slow", "held", "first loop", "left by itself"]


def fail(world: World, new: FakeWorker, where: str) -> None:
    """Let a new worker fail at some point of its life."""
    if where == "fork":
        world.fork_fails(new)
        return
    world.born(new)
    if where == "on_start":
        world.crash(new)
    elif where == "too slow":
        world.pass_time(31.0)
    else:
        world.ready(new)
        if where == "held":
            for old in world.alive(*new.id.slot)[:-1]:
                world.obey(old)
        elif where != "ready":
            world.settle(new)
            world.obey(new)
        if where == "left by itself":
            world.leave(new)
        if new.alive:
            world.crash(new)


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("where", FAILURES)
def test_canary_fails(where: str, workers: int, overlap: bool) -> None:
    """Wherever the canary fails, the reload is refused and the old code works on."""
    world = serving(workers=workers, overlap=overlap)
    olds = world.alive()
    client = world.reload()
    if not overlap:
        world.obey(olds[0])
        world.end(olds[0])
    fail(world, canary(world), where)
    refused(world, client)
    assert all(old.alive for old in (olds if overlap else olds[1:]))
    assert "the canary" in world.answers[client].text
    if where not in ("fork", "too slow"):
        assert "ZeroDivisionError" in world.answers[client].text


def test_canary_fails_before_the_hold_is_answered() -> None:
    """The predecessor's late answer lets it go on at once."""
    world = serving()
    old = world.only("web", 0)
    client = world.reload()
    new = canary(world)
    world.born(new)
    world.ready(new)
    world.crash(new)
    world.obey(old)
    assert old.life is Life.HELD
    assert world.told(old) == ["go", "hold", "go"]
    refused(world, client)


def test_answer_to_an_earlier_hold() -> None:
    """An answer that was late does not pass for the answer to the hold after it."""
    world = serving()
    old = world.only("web", 0)
    for number in (1, 2):
        world.reload()
        new = canary(world)
        world.born(new)
        world.ready(new)
        assert old.inbox[-1].args == {"number": number}
        if number == 1:
            world.crash(new)
            world.obey(old)
            world.obey(old)
    world.feed(events.Held(old.id, 1, 0.1))
    assert not new.inbox
    world.obey(old)
    assert [tell.verb for tell in new.inbox] == ["go"]


def test_predecessor_in_a_long_loop() -> None:
    """The canary waits READY for its predecessor's loop, however long."""
    world = serving(workers=2)
    old = world.only("web", 0)
    client = world.reload()
    world.settle(old)
    world.pass_time(1e6)
    assert canary(world).life is Life.WAITING
    world.settle()
    assert world.answers[client].status == 0
    checks.at_rest(world)


def test_predecessor_dies() -> None:
    """Then the canary goes at once, and may pass."""
    world = serving(workers=2)
    client = world.reload()
    new = canary(world)
    world.born(new)
    world.ready(new)
    world.crash(world.alive()[0])
    assert [tell.verb for tell in new.inbox] == ["go"]
    world.settle()
    assert world.answers[client].status == 0
    checks.at_rest(world)


@pytest.mark.parametrize("longest", [10.0, 11.0, 3600.0])
def test_hanging_canary_of_long_loops(longest: float) -> None:
    """Where loops are known to take as long, canary_timeout passes the canary."""
    world = serving(workers=2, canary_timeout=10.0)
    world.alive()[0].longest = longest
    client = world.reload()
    new = canary(world)
    begin(world, new)
    world.pass_time(9.9)
    assert len(world.alive()) == 3
    world.pass_time(0.2)
    world.settle(new)
    assert world.answers[client].status == 0
    assert world.generations("web") == [2, 2]
    assert new.told == []


@pytest.mark.parametrize("longest", [0.1, 9.9])
def test_hanging_canary_of_short_loops(longest: float) -> None:
    """Where they are known to be shorter it hangs: refused; its index waits for its loop."""
    world = serving(workers=2, canary_timeout=10.0)
    old, other = world.alive()
    old.longest = longest
    client = world.reload()
    new = canary(world)
    begin(world, new)
    world.pass_time(10.0)
    assert world.answers[client].status == 1
    assert "still in its first loop" in world.answers[client].text
    assert world.told(new)[-1] == "reload"
    world.pass_time(1e6)
    assert old.life is Life.HELD
    assert not old.inbox
    assert other.life is Life.WORKING
    assert not world.count(effects.Kill)
    refused(world, client)
    assert old.life is Life.WORKING


def test_reload_after_a_hanging_canary() -> None:
    """The next canary takes another index, where nothing hangs."""
    world = serving(workers=2)
    world.reload()
    hung = canary(world)
    begin(world, hung)
    world.pass_time(10.0)
    client = world.reload()
    assert canary(world).id.index == 1
    world.settle(hung)
    assert client not in world.answers
    world.settle()
    assert world.answers[client].status == 0
    checks.at_rest(world)


def test_hanging_canary_without_evidence() -> None:
    """Where nobody was held, nothing is known and nothing waits: it passes."""
    world = serving(workers=2)
    client = world.reload()
    new = canary(world)
    world.crash(world.alive()[0])
    begin(world, new)
    world.pass_time(10.0)
    world.settle(new)
    assert world.answers[client].status == 0


def test_no_canary_timeout() -> None:
    """With canary_timeout none the first loop may take for ever, and nothing follows."""
    world = serving(workers=2, canary_timeout=None)
    client = world.reload()
    new = canary(world)
    begin(world, new)
    world.pass_time(1e9)
    assert len(world.alive()) == 3
    world.settle()
    assert world.answers[client].status == 0


def test_each_group_has_its_canary() -> None:
    """Nothing follows before all groups' canaries have passed."""
    world = serving({"web": Policy(workers=2), "mail": Policy(workers=2)})
    client = world.reload()
    web, mail = canary(world, "web"), canary(world, "mail")
    world.settle(mail)
    assert len(world.alive()) == 6
    world.born(mail)
    world.crash(mail)
    refused(world, client)
    assert not web.alive


def test_canary_that_is_all_its_slot_has() -> None:
    """Another group's canary fails: this one stays until the old code is READY again."""
    world = serving({"web": Policy(), "mail": Policy()})
    client = world.reload()
    web, mail = canary(world, "web"), canary(world, "mail")
    world.born(web)
    world.ready(web)
    world.crash(world.alive("web")[0])
    world.obey(web)
    world.looped(web)
    world.fork_fails(mail)
    assert web.told == []
    back = world.newest()
    assert back.generation == 1
    world.born(back)
    assert web.told == []
    world.ready(back)
    assert web.told == ["reload"]
    refused(world, client)


def test_canary_no_more() -> None:
    """One that stays for a while after a refusal has no canary_timeout any longer."""
    world = serving({"web": Policy(), "mail": Policy()})
    client = world.reload()
    web, mail = canary(world, "web"), canary(world, "mail")
    world.crash(world.alive("web")[0])
    begin(world, web)
    world.fork_fails(mail)
    world.pass_time(60.0)
    world.feed(events.FirstLoopEnded(web.id))
    assert web.told == []
    assert client not in world.answers
    refused(world, client)


# Handing over


def test_new_is_ready_before_old_is_told() -> None:
    """And it begins when the old one has ended its last loop, not before, not later."""
    world = serving(workers=2, surge=Share(1))
    world.reload()
    old = world.only("web", 1)
    new = until_flying(world, 1)
    world.born(new)
    assert old.told == []
    world.ready(new)
    assert old.told == ["reload"]
    assert not new.inbox
    world.obey(old)
    assert old.life is Life.ENDING
    assert [tell.verb for tell in new.inbox] == ["go"]


@pytest.mark.parametrize(
    ("surge", "workers", "most"),
    [
        (Share(1), 8, 1),
        (Share(3), 8, 3),
        (Share(25, True), 8, 2),
        (Share(25, True), 2, 1),
        (Share(50, True), 5, 3),
        (ALL, 8, 8),
        (Share(99), 8, 8),
    ],
)
def test_surge(surge: Share, workers: int, most: int) -> None:
    """So many indexes are in flight, and no more; each that lands makes room."""
    world = serving(workers=workers, surge=surge)
    olds = world.alive()
    client = world.reload()
    begin(world, canary(world))
    world.looped(world.newest())
    flights = []
    for _ in range(workers):
        world.settle(*olds)
        assert len({w.id.slot for w in world.alive()}) == workers
        flights.append(len(world.alive()) - workers)
        goes = next(w for w in olds if w.alive and w.told)
        world.obey(goes)
        world.end(goes)
    world.settle()
    assert flights == [min(most, workers - landed) for landed in range(workers)]
    assert world.answers[client].status == 0
    checks.at_rest(world)


def test_all_at_once_waits_for_the_last() -> None:
    """With 100 % no further old one is told before all new ones are READY."""
    world = serving(workers=4, surge=ALL)
    olds = world.alive()
    world.reload()
    begin(world, canary(world))
    world.looped(world.newest())
    late = world.newest()
    world.settle(late)
    assert len(world.alive()) == 8
    assert all(old.told == [] for old in olds)
    world.born(late)
    world.ready(late)
    assert all(old.told == ["reload"] for old in olds)
    world.settle()
    checks.at_rest(world)


def test_all_at_once_waits_for_a_slot_whose_old_worker_died() -> None:
    """An accident in a slot doesn't make its new worker count as READY."""
    world = serving(workers=3, surge=ALL)
    olds = world.alive()
    world.reload()
    late = until_flying(world, 2)
    world.settle(late)
    world.born(late)
    world.crash(olds[2])
    assert all(old.told == [] for old in olds[:2])
    world.ready(late)
    assert all(old.told == ["reload"] for old in olds[:2])
    world.settle()
    checks.at_rest(world)


def test_without_overlap() -> None:
    """The old one ends before the new one starts, one index after the other."""
    world = serving(workers=3, overlap=False, surge=Share(1))
    client = world.reload()
    for index in range(3):
        (old,) = world.alive("web", index)
        assert old.told == ["reload"]
        assert len(world.alive()) == 3
        world.obey(old)
        assert world.alive("web", index) == [old]
        world.end(old)
        assert world.only("web", index).generation == 2
        for _ in range(4):
            world.step(world.only("web", index))
    world.settle()
    assert world.answers[client].status == 0
    checks.at_rest(world)


def test_crash_of_an_old_worker_under_way() -> None:
    """An index whose old worker dies gets the new code, sooner or later, exactly once."""
    world = serving(workers=3, surge=Share(1))
    client = world.reload()
    begin(world, canary(world))
    world.crash(world.alive("web", 2)[0])
    assert world.newest().generation == 1
    world.settle()
    assert world.answers[client].status == 0
    checks.at_rest(world)


# Settings


@pytest.mark.parametrize("surge", [Share(1), Share(2), Share(25, True), ALL])
@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (4, 2), (3, 4), (4, 3), (2, 2)])
@pytest.mark.parametrize("overlap", [True, False])
def test_workers_change(before: int, after: int, surge: Share, overlap: bool) -> None:
    """The reload brings the number of workers to what the settings say."""
    world = serving(workers=before, surge=surge, overlap=overlap)
    client = world.reload({"web": Policy(workers=after, surge=surge, overlap=overlap)})
    world.settle()
    assert world.answers[client].status == 0
    assert world.generations("web") == [2] * after
    checks.at_rest(world)


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1)])
def test_workers_change_refused(before: int, after: int) -> None:
    """A refused reload changes no number either."""
    world = serving(workers=before)
    client = world.reload({"web": Policy(workers=after)})
    world.born(canary(world))
    world.crash(canary(world))
    refused(world, client)
    assert len(world.alive()) == before


def test_groups_come_and_go() -> None:
    """A group that the settings have no more leaves, a new one comes, with a canary."""
    world = serving({"old": Policy(workers=2), "web": Policy()})
    client = world.reload({"web": Policy(), "new": Policy(workers=3)})
    assert [w.id.group for w in world.alive() if w.generation == 2] == ["web", "new"]
    assert all(w.told == [] for w in world.alive("old"))
    world.settle()
    assert world.answers[client].status == 0
    assert set(world.state.groups) == {"web", "new"}
    checks.at_rest(world)


def test_groups_come_and_go_refused() -> None:
    """Then the new group is gone again, and the one that was to go stays."""
    world = serving({"old": Policy(workers=2), "web": Policy()})
    client = world.reload({"web": Policy(), "new": Policy(workers=3)})
    world.fork_fails(canary(world, "new"))
    refused(world, client)
    assert set(world.state.groups) == {"old", "web"}


def test_all_groups_go() -> None:
    """With no group left there is nothing to prove."""
    world = serving(workers=2)
    client = world.reload({})
    world.settle()
    assert world.answers[client].status == 0
    assert world.state.groups == {}


def test_group_that_goes_in_its_backoff() -> None:
    """Its pause ends in the same moment as the reload: there is no slot to fill any more."""
    world = serving({"old": Policy()})
    world.crash(world.only("old", 0))
    world.settle()
    world.reload({"new": Policy(canary_timeout=0.2)})
    new = canary(world, "new")
    begin(world, new)
    world.crash(world.only("old", 0))
    world.pass_time(60.0, late=True)
    world.settle()
    checks.at_rest(world)


def test_hundreds_of_slots_in_backoff_go() -> None:
    """However many empty slots a reload gives up, it doesn't exhaust the stack."""
    world = serving({"old": Policy(workers=300), "web": Policy()})
    for _ in range(2):
        for worker in world.alive("old"):
            world.crash(worker)
        world.settle()
    world.reload({"web": Policy()})
    world.settle()
    checks.at_rest(world)


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
def test_overlap_changes(before: bool, after: bool) -> None:
    """The new settings count for the reload that brings them."""
    world = serving(workers=2, overlap=before)
    client = world.reload({"web": Policy(workers=2, overlap=after)})
    assert len(world.alive()) == (3 if after else 2)
    world.settle()
    assert world.answers[client].status == 0
    checks.at_rest(world)


def test_one_group() -> None:
    """A reload of one group leaves the others, and their settings, as they are."""
    world = serving({"web": Policy(workers=2), "mail": Policy(workers=2)})
    client = world.reload({"web": Policy(workers=3), "mail": Policy(workers=9)}, "web")
    world.settle()
    assert world.answers[client].status == 0
    assert world.generations("web") == [2, 2, 2]
    assert world.generations("mail") == [1, 1]
    checks.at_rest(world)
    assert world.done[-1][1] != effects.Forget(frozenset({2}))


def test_one_group_after_the_other() -> None:
    """A group keeps the generation of its own last reload, also in a replacement."""
    world = serving({"web": Policy(), "mail": Policy()})
    world.reload(None, "web")
    world.settle()
    world.reload(None, "mail")
    world.settle()
    world.crash(world.only("web", 0))
    world.recover()
    assert world.only("web", 0).generation == 2
    assert world.only("mail", 0).generation == 3


def test_unknown_group() -> None:
    """It's refused with status 2 and the names that there are, and changes nothing."""
    world = serving({"web": Policy(), "mail": Policy()})
    client = world.reload(None, "wbe")
    assert world.answers[client].status == 2
    assert "no group 'wbe'; there are: web, mail" in world.answers[client].text
    checks.at_rest(world)


def test_bad_settings() -> None:
    """They are refused with status 2 and change nothing."""
    world = serving(workers=2)
    client = world.ask("reload")
    world.refuse_settings()
    assert world.answers[client] == effects.Answer(
        client, 2, "reload refused: workers: 0 is refused"
    )
    assert len(world.workers) == 2
    checks.at_rest(world)


# Late refusals


def rolling(workers: int = 3) -> tuple[World, str]:
    """Return a world in which the canary has passed, and the first of the others follows."""
    world = serving(workers=workers, surge=Share(1))
    client = world.reload()
    new = canary(world, "web")
    begin(world, new)
    world.looped(new)
    old = world.alive("web", 0)[0]
    world.obey(old)
    world.end(old)
    return world, client


@pytest.mark.parametrize("where", ["fork", "on_start", "too slow", "ready"])
@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("surge", [Share(1), Share(2), ALL])
def test_late_refusal(where: str, index: int, surge: Share) -> None:
    """A later new worker that fails takes back those that were replaced already."""
    world = serving(workers=3, surge=surge)
    client = world.reload()
    fail(world, until_flying(world, index), where)
    refused(world, client)
    assert "a new worker" in world.answers[client].text


def test_late_refusal_keeps_the_strength() -> None:
    """The old code is READY again before the new one that works is told."""
    world, client = rolling()
    new = world.only("web", 0)
    world.fork_fails(world.newest())
    back = world.newest()
    assert (back.generation, back.id.index) == (1, 0)
    world.born(back)
    assert new.told == []
    world.ready(back)
    assert new.told == ["reload"]
    refused(world, client)


def test_late_refusal_does_not_wait_for_who_still_hands_over() -> None:
    """Good code is back everywhere but where an old worker is in its last loop, for long."""
    world = serving({"web": Policy(workers=3, surge=Share(1)), "mail": Policy(workers=2)})
    last = world.only("web", 2)
    client = world.reload()
    new = until_flying(world, 1, "mail")
    world.settle(last, new)  # the whole surge of web is where the old one is in its loop
    assert [w.generation for w in world.alive("web")].count(2) == 3
    assert "reload" in world.told(last)
    world.born(new)
    world.crash(new)
    world.settle(last)
    assert [world.only("web", index).generation for index in (0, 1)] == [1, 1]
    assert client not in world.answers
    world.settle()
    refused(world, client)


def test_late_refusal_when_the_old_code_does_not_start_either() -> None:
    """Then the new one that works may stay: better than an idle slot."""
    world, client = rolling(workers=2)
    new = world.only("web", 0)
    world.fork_fails(world.newest())
    world.fork_fails(world.newest())
    world.settle(new)
    assert world.answers[client].status == 1
    assert world.generations("web") == [2, 1]
    assert new.told == []
    world.crash(new)
    world.recover()
    checks.at_rest(world)


def test_give_up_opens_the_gate() -> None:
    """Who waits for all to be READY on the way back does not wait for one given up."""
    world = serving(workers=3, surge=ALL)
    client = world.reload({"web": Policy(workers=3, surge=Share(1))})
    world.fork_fails(until_flying(world, 2))
    first, second = [w for w in world.alive() if w.life is Life.UNBORN]
    world.born(first)
    world.ready(first)
    assert not world.alive("web", 0)[0].told
    world.fork_fails(second)
    world.settle()
    assert world.answers[client].status == 1
    assert world.generations("web") == [1, 2, 1]


def test_late_refusal_of_a_group_that_goes() -> None:
    """Its workers that have left already come back."""
    world = serving({"web": Policy(workers=3), "old": Policy(workers=2, surge=ALL)})
    client = world.reload({"web": Policy(workers=3)})
    new = until_flying(world, 2)
    world.settle(new)
    assert not world.alive("old")
    world.fork_fails(new)
    refused(world, client)
    assert len(world.alive("old")) == 2


def test_refusal_is_answered_when_the_new_ones_are_gone() -> None:
    """Whoever reads the answer finds no new worker on its way any more."""
    world = serving({"web": Policy(), "mail": Policy()})
    client = world.reload()
    web = canary(world, "web")
    world.born(web)
    world.fork_fails(canary(world, "mail"))
    assert web.told == ["reload"]
    assert client not in world.answers
    world.ready(web)
    world.obey(web)
    assert client not in world.answers
    world.end(web)
    assert world.answers[client].status == 1
    checks.at_rest(world)


@pytest.mark.parametrize("how", ["killed", "left by itself"])
def test_refusal_waits_for_one_already_on_its_way_out(how: str) -> None:
    """It needn't be told to leave, but it's there until it is reaped."""
    world = serving({"web": Policy(), "mail": Policy()})
    client = world.reload()
    web, mail = canary(world, "web"), canary(world, "mail")
    world.born(web)
    if how == "killed":
        world.clock += 30.0
        world.feed(events.TimePassed())
        assert web.killed
    else:
        world.ready(web)
        world.leave(web)
    world.fork_fails(mail)
    assert client not in world.answers
    assert web.told == []
    world.end(web)
    assert client in world.answers
    refused(world, client)


def test_refusal_calls_off_forks_not_yet_asked_for() -> None:
    """In a big group some new workers are still to be forked when one fails: they never are."""
    world = serving(workers=60, surge=ALL)
    client = world.reload()
    begin(world, canary(world))
    world.looped(world.newest())
    world.fork_fails(world.newest())
    spawned = len([w for w in world.workers.values() if w.generation == 2])
    refused(world, client)
    assert len([w for w in world.workers.values() if w.generation == 2]) == spawned < 60


def test_crash_while_the_old_one_is_in_on_stop() -> None:
    """The new one has begun, and the reload is not over: its crash refuses it.

    Replaced at once it could crash again and again, as long as the old one takes to end.
    """
    world = serving(workers=2, surge=Share(1))
    client = world.reload()
    until_flying(world, 1)
    old = world.alive("web", 1)[0]
    world.settle(old)
    world.obey(old)
    world.settle(old)
    assert world.newest().life is Life.WORKING
    world.crash(world.newest())
    refused(world, client)


def test_crash_after_the_first_loop_refuses_nothing() -> None:
    """A new worker that has begun is a worker like any other: it's replaced by new code."""
    world, client = rolling()
    world.settle(world.newest())
    world.crash(world.only("web", 0))
    world.recover()
    assert world.answers[client].status == 0
    checks.at_rest(world)


# More than one


@pytest.mark.parametrize("more", [1, 100])
def test_queued_reloads_are_one(more: int) -> None:
    """However many are asked for during a reload, one more follows, for all of them."""
    world = serving(workers=2)
    first = world.reload()
    queued = [world.ask("reload") for _ in range(more)]
    world.settle()
    assert world.answers[first].status == 0
    assert not set(queued) & set(world.answers)
    world.read_settings()
    world.settle()
    assert {world.answers[client].status for client in queued} == {0}
    assert world.count(effects.ReadSettings) == 2
    assert world.generations("web") == [3, 3]
    checks.at_rest(world)


def test_asked_while_the_settings_are_read() -> None:
    """What was read may be older than the wish: it gets a reload of its own."""
    world = serving()
    first, second = world.ask("reload"), world.ask("reload")
    assert world.count(effects.ReadSettings) == 1
    world.read_settings()
    world.settle()
    assert first in world.answers
    assert second not in world.answers
    world.read_settings()
    world.settle()
    checks.at_rest(world)


@pytest.mark.parametrize(
    ("wishes", "generations"),
    [
        ([["web"], ["web"]], [3, 2]),
        ([["web"], ["mail"]], [3, 3]),
        ([["web"], []], [3, 3]),
        ([[], ["web"]], [3, 3]),
    ],
)
def test_queued_groups_are_joined(wishes: list[list[str]], generations: list[int]) -> None:
    """The one that follows is for every group that anybody named; all beats some."""
    world = serving({"web": Policy(), "mail": Policy()})
    world.reload()
    for groups in wishes:
        world.ask("reload", *groups)
    world.settle()
    world.read_settings()
    world.settle()
    assert world.generations("web") + world.generations("mail") == generations
    checks.at_rest(world)


def test_queued_after_a_refusal() -> None:
    """The one that waits runs also when the one before it was refused."""
    world = serving()
    first = world.reload()
    second = world.ask("reload")
    world.fork_fails(canary(world))
    world.settle()
    assert world.answers[first].status == 1
    world.read_settings()
    world.settle()
    assert world.answers[second].status == 0
    assert world.generations("web") == [3]


def test_queued_after_bad_settings() -> None:
    """And when its settings were bad."""
    world = serving()
    world.ask("reload")
    second = world.ask("reload")
    world.refuse_settings()
    world.read_settings()
    world.settle()
    assert world.answers[second].status == 0


def test_settings_nobody_asked_for() -> None:
    """An answer that comes twice changes nothing."""
    world = serving()
    before = world.state
    world.feed(events.SettingsRead({"web": Policy(workers=7)}, 9))
    world.feed(events.SettingsRefused("late"))
    assert world.state == before


def test_recovery_by_a_reload() -> None:
    """A service in a crash loop is reloaded at once: good code doesn't wait for the pause."""
    world = serving()
    for _ in range(6):
        world.crash(world.only("web", 0))
        world.recover()
    world.crash(world.only("web", 0))
    assert not world.alive()
    client = world.reload()
    world.settle()
    assert world.answers[client].status == 0
    checks.at_rest(world)


def test_forget() -> None:
    """After each reload the master hears which generations still count."""
    world = serving({"web": Policy(), "mail": Policy()})
    world.reload(None, "web")
    world.settle()
    forget = [e for _, e in world.done if isinstance(e, effects.Forget)]
    assert forget == [effects.Forget(frozenset({1, 2}))]


def test_state_is_frozen() -> None:
    """Nothing outside can change what the core knows."""
    world = serving()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        world.state.up = False


def test_a_strange_group_spoils_nothing_for_others() -> None:
    """Two ask at one time, one for a group that there isn't: the other is granted."""
    world = serving({"web": Policy()})
    wrong, right = world.ask("reload", "wbe"), world.ask("reload", "web")
    world.read_settings()
    assert world.answers[wrong].status == 2
    assert right not in world.answers
    world.read_settings()
    world.settle()
    assert world.answers[right].status == 0
