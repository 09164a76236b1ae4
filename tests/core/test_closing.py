"""The end: quit, stop, stop at once, restart; who is told what, and who gets which status."""

from __future__ import annotations

import pytest

from naruto.core import effects, events
from naruto.core.policy import Policy

from . import checks
from .world import FakeWorker, Life, World, serving


def deadlines(world: World, worker: FakeWorker) -> list[float | None]:
    """Seconds until the kill, as each order to leave has said it."""
    return [tell.args.get("deadline") for tell in worker.inbox]


@pytest.mark.parametrize("verb", ["quit", "stop"])
def test_all_obey(verb: str) -> None:
    """Each worker ends its loop, on_stop and itself; then the master ends, with 0."""
    world = serving(workers=3)
    client = world.ask(verb)
    assert [world.told(w)[-1] for w in world.alive()] == [verb] * 3
    assert not world.exits
    world.settle()
    assert world.exits == [effects.Exit(0)]
    assert world.answers[client] == effects.Answer(client, 0)
    assert not world.count(effects.Kill)


@pytest.mark.parametrize(
    ("signal", "verb"),
    [("USR2", "quit"), ("QUIT", "quit"), ("TERM", "stop"), ("INT", "stop")],
)
def test_signals(signal: str, verb: str) -> None:
    """The signals of an end are its requests."""
    world = serving()
    world.signal(signal)
    assert world.told(world.only("web", 0)) == ["go", verb]


@pytest.mark.parametrize(("terminal_gone", "verb"), [(True, "stop"), (False, None)])
def test_hangup(terminal_gone: bool, verb: str | None) -> None:
    """HUP reloads, but where the terminal of a foreground service has gone it stops."""
    world = serving()
    world.signal("HUP", terminal_gone=terminal_gone)
    assert world.told(world.only("web", 0))[1:] == ([verb] if verb else [])
    assert world.reading == (0 if verb else 1)


def test_quit_waits_for_ever() -> None:
    """Quit has no deadline: a loop may take a year."""
    world = serving()
    world.ask("quit")
    assert not world.state.alarms
    world.pass_time(1e9)
    assert not world.count(effects.Kill)
    world.settle()
    assert world.exits[0].status == 0


def test_stop_kills_at_the_deadline() -> None:
    """Who is in a loop at the deadline is killed and named; the status says so."""
    world = serving(workers=2, stop_timeout=25.0)
    client = world.ask("stop")
    obedient, stuck = world.alive()
    assert deadlines(world, stuck) == [world.clock + 25.0]
    world.settle(stuck)
    world.pass_time(24.9)
    assert not world.count(effects.Kill)
    world.pass_time(0.2)
    (end,) = world.exits
    assert end.status == 1
    assert (
        end.text
        == f"killed: {stuck.id} (pid {10_000 + stuck.id.serial}) in a loop for 3625.0 s"
    )
    assert world.answers[client] == effects.Answer(client, 1, end.text)
    assert obedient.killed is False


def test_killed_outside_a_loop_is_no_failure() -> None:
    """A worker killed in on_stop has lost no loop: the status is 0."""
    world = serving()
    world.ask("stop")
    worker = world.only("web", 0)
    world.obey(worker)
    world.pass_time(26.0)
    assert worker.killed
    assert world.exits[0].status == 0


def test_stop_without_a_timeout() -> None:
    """With stop_timeout none a stop is patient like a quit; at once still kills."""
    world = serving(stop_timeout=None)
    world.ask("stop")
    world.pass_time(1e9)
    assert not world.count(effects.Kill)
    world.ask("stop", at_once=True)
    world.kill_off()
    assert world.exits[0].status == 1


def test_each_group_has_its_own_deadline() -> None:
    """The stop_timeout of a group counts for its workers only."""
    world = serving({"web": Policy(stop_timeout=5.0), "mail": Policy(stop_timeout=50.0)})
    world.ask("stop")
    world.pass_time(6.0)
    assert [w.id.group for w in world.alive()] == ["mail"]
    world.pass_time(45.0)
    assert "web-0.1" in world.exits[0].text
    assert "mail-0.2" in world.exits[0].text


def test_what_a_reload_brings_counts_for_its_workers_at_the_end_too() -> None:
    """A stop calls the reload off; the canary still has the deadlines of its own settings."""
    world = serving({"web": Policy(stop_timeout=5.0)})
    old = world.only("web", 0)
    world.reload({"web": Policy(stop_timeout=50.0)})
    new = world.newest()
    world.born(new)
    world.ask("stop")
    world.pass_time(6.0)
    assert not old.alive and new.alive
    world.ready(new)
    world.leave(new)  # its on_stop hangs
    world.pass_time(40.0)
    assert new.alive
    world.pass_time(10.0)
    assert not new.alive


ESCALATIONS = [
    (["quit"], ["quit"]),
    (["quit", "quit"], ["quit"]),
    (["quit", "stop"], ["quit", "stop"]),
    (["stop", "quit"], ["stop"]),
    (["stop", "stop"], ["stop"]),
    (["reload", "quit", "stop", "quit"], ["quit", "stop"]),
]


@pytest.mark.parametrize(("asked", "told"), ESCALATIONS)
def test_escalation(asked: list[str], told: list[str]) -> None:
    """Stronger wins; the same or a weaker wish tells nobody anything again."""
    world = serving()
    clients = [world.ask(verb) for verb in asked]
    assert world.told(world.only("web", 0))[1:] == told
    world.settle()
    statuses = [world.answers[client].status for client in clients]
    assert statuses == [int(verb == "reload") for verb in asked]


def test_a_second_stop_does_not_put_off_the_deadline() -> None:
    """The deadline counts from the first stop."""
    world = serving()
    world.ask("stop")
    world.pass_time(20.0)
    world.ask("stop")
    world.pass_time(5.1)
    assert world.exits[0].status == 1


def test_stop_after_quit_has_its_own_deadline() -> None:
    """A quit that takes too long is made a stop: its time begins then."""
    world = serving()
    world.ask("quit")
    world.pass_time(3600.0)
    world.ask("stop")
    world.pass_time(24.9)
    assert not world.exits
    world.pass_time(0.2)
    assert world.exits[0].status == 1


def test_stop_at_once() -> None:
    """Every worker is killed in the same decision, whatever it's doing."""
    world = serving(workers=3)
    working, ending, dying = world.alive()
    world.tell_by_hand(ending)
    world.obey(ending)
    world.crash(dying)  # its replacement is not born yet
    client = world.ask("stop", at_once=True)
    assert working.killed
    assert ending.killed
    unborn = world.newest()
    assert unborn.life is Life.UNBORN
    world.kill_off()
    world.born(unborn)
    assert unborn.killed
    world.kill_off()
    (end,) = world.exits
    assert end.status == 1
    assert str(working.id) in end.text
    assert str(ending.id) not in end.text
    assert world.answers[client].status == 1


def test_stop_at_once_twice() -> None:
    """A second stop --now kills nobody twice."""
    world = serving(workers=2)
    world.ask("stop", at_once=True)
    world.ask("stop", at_once=True)
    assert world.count(effects.Kill) == 2


@pytest.mark.parametrize(
    ("pauses", "kills"),
    [
        ([], False),
        ([0.0], False),
        ([0.99], False),
        ([0.5, 0.4], False),
        ([1.0], True),
        ([0.5, 0.6], True),
        ([10.0], True),
    ],
)
def test_second_interrupt(pauses: list[float], kills: bool) -> None:
    """INT within a second of the first is the same key press; a later one is stop --now."""
    world = serving()
    world.signal("INT")
    for pause in pauses:
        world.pass_time(pause)
        world.signal("INT")
    assert bool(world.count(effects.Kill)) is kills


def test_first_interrupt_after_a_stop() -> None:
    """Ctrl-C after naruto stop is the first key press, and kills nobody."""
    world = serving()
    world.ask("stop")
    world.pass_time(5.0)
    world.signal("INT")
    assert not world.count(effects.Kill)
    world.pass_time(1.0)
    world.signal("INT")
    assert world.count(effects.Kill) == 1


def test_restart() -> None:
    """A good check, then a stop, then the same command line again; it answers later."""
    world = serving(workers=2)
    client = world.ask("restart")
    assert world.count(effects.Probe) == 1
    world.pass_time(2.0)
    assert not any(worker.inbox for worker in world.alive())
    world.probed(True)
    assert [world.told(w)[-1] for w in world.alive()] == ["stop", "stop"]
    world.asked.discard(client)
    world.settle()
    assert world.exits == [effects.Exit(0, "", again=True, clients=(client,))]
    assert client not in world.answers


def test_restart_of_a_broken_program() -> None:
    """A bad check changes nothing, and the client learns why."""
    world = serving()
    client = world.ask("restart")
    world.probed(False)
    assert world.answers[client].status == 1
    assert "SyntaxError" in world.answers[client].text
    checks.at_rest(world)


@pytest.mark.parametrize("ok", [True, False])
def test_restarts_share_one_check(ok: bool) -> None:
    """Restarts asked for during the check wait for the same one."""
    world = serving()
    clients = [world.ask("restart") for _ in range(3)]
    assert world.count(effects.Probe) == 1
    world.probed(ok)
    world.settle()
    if ok:
        assert world.exits[0].clients == tuple(clients)
    else:
        assert [world.answers[client].status for client in clients] == [1, 1, 1]


def test_restart_that_cuts_a_loop_still_comes_back() -> None:
    """The deadline of a stop counts for a restart, and the new image starts all the same."""
    world = serving()
    world.ask("restart")
    world.probed(True)
    world.pass_time(26.0)
    (end,) = world.exits
    assert (end.status, end.again) == (1, True)


def test_check_that_does_not_end() -> None:
    """It's killed after its time; what it says then is an answer like any other."""
    world = serving()
    client = world.ask("restart")
    world.pass_time(29.0)
    assert not world.count(effects.EndProbe)
    world.pass_time(2.0)
    assert world.count(effects.EndProbe) == 1
    world.probed(False)
    assert world.answers[client].status == 1
    checks.at_rest(world)


@pytest.mark.parametrize("verb", ["quit", "stop"])
def test_end_during_the_check(verb: str) -> None:
    """An end calls the restart off, and the check's late answer changes nothing."""
    world = serving()
    client = world.ask("restart")
    world.ask(verb)
    assert world.answers[client].status == 1
    assert world.count(effects.EndProbe) == 1
    world.probed(True)
    world.settle()
    assert world.exits == [effects.Exit(0)]


@pytest.mark.parametrize("verb", ["quit", "stop"])
def test_end_during_the_restart(verb: str) -> None:
    """An end wins over coming back, and whoever wanted the restart hears it at once."""
    world = serving()
    client = world.ask("restart")
    world.probed(True)
    last = world.ask(verb)
    assert world.answers[client].status == 1
    world.settle()
    assert world.exits == [effects.Exit(0)]
    assert world.answers[last].status == 0


@pytest.mark.parametrize("verb", ["reload", "restart"])
def test_too_late(verb: str) -> None:
    """Nothing begins any more once the end has begun."""
    world = serving()
    for end, wins in (("quit", "quit"), ("stop", "stop"), ("quit", "stop")):
        world.ask(end)
        client = world.ask(verb)
        assert world.answers[client].status == 1
        assert wins in world.answers[client].text
    assert not world.reading + world.probing


def test_settings_that_come_too_late() -> None:
    """A reload whose settings were being read is called off, however they turn out."""
    for good in (True, False):
        world = serving()
        client = world.ask("reload")
        world.ask("quit")
        assert world.answers[client].status == 1
        world.read_settings() if good else world.refuse_settings()
        world.settle()
        assert len(world.workers) == 1
        assert world.exits == [effects.Exit(0)]


def test_stop_during_the_start() -> None:
    """Stop pre-empts the start: nobody is waited for to become READY."""
    world = World({"web": Policy(workers=3)})
    world.start()
    unborn, _, failing = world.alive()
    world.born(world.alive()[1])
    world.ask("stop")
    world.fork_fails(failing)
    assert unborn.life is Life.UNBORN
    world.settle()
    assert world.exits == [effects.Exit(0)]
    assert not world.up


def test_stop_during_the_start_with_a_hanging_on_start() -> None:
    """on_start has the deadline of the stop; who is killed there has lost no loop."""
    world = World({"web": Policy(start_timeout=None)})
    world.start()
    world.born(world.alive()[0])
    world.ask("stop")
    world.pass_time(26.0)
    assert world.exits == [effects.Exit(0)]


def test_stop_during_backoff() -> None:
    """With every slot in its pause nobody is left, and the master ends at once."""
    world = serving()
    world.crash(world.only("web", 0))
    world.settle()
    world.crash(world.only("web", 0))
    assert not world.alive()
    client = world.ask("stop")
    assert world.exits == [effects.Exit(0)]
    assert world.answers[client].status == 0
    assert not world.state.alarms


def test_restart_during_backoff() -> None:
    """The same for a restart: it comes back at once."""
    world = serving()
    world.crash(world.only("web", 0))
    world.settle()
    world.crash(world.only("web", 0))
    world.ask("restart")
    world.probed(True)
    assert world.exits[0].again


@pytest.mark.parametrize("steps", range(9))
def test_stop_at_every_point_of_a_reload(steps: int) -> None:
    """Old and new alike are told, the reload is called off, and all who asked hear of it."""
    world = serving(workers=2)
    client = world.reload()
    waiting = world.ask("reload")
    for _ in range(steps):
        next((worker for worker in world.alive() if world.step(worker)), None)
    last = world.ask("stop")
    assert all(worker.told[-1] == "stop" for worker in world.alive())
    assert "called off" in world.answers[waiting].text
    assert world.answers[client].status == world.answers[waiting].status == 1
    spawned = len(world.workers)
    world.settle()
    assert len(world.workers) == spawned
    assert world.answers[last].status == 0
    assert world.exits == [effects.Exit(0)]


def test_leaving_for_a_reload_gets_the_deadline_of_a_stop() -> None:
    """A loop that a reload waits for is not waited for by a stop."""
    world = serving(workers=1)
    old = world.only("web", 0)
    world.reload()
    world.settle(old)
    new = world.newest()
    assert new.life is Life.WAITING
    world.settle(old)
    world.ask("stop")
    world.pass_time(26.0)
    assert old.killed


def test_crash_during_the_end() -> None:
    """A worker that fails while all leave is not replaced, and cuts no loop of ours."""
    world = serving(workers=2)
    world.ask("quit")
    world.crash(world.only("web", 0))
    world.settle()
    assert len(world.workers) == 2
    assert world.exits == [effects.Exit(0)]


def test_start_that_fails_after_a_stop() -> None:
    """A worker that dies before READY during a stop is no failed start."""
    world = World({"web": Policy(workers=2)})
    world.start()
    for worker in world.alive():
        world.born(worker)
    world.ask("stop")
    world.crash(world.only("web", 0))
    world.settle()
    assert world.exits == [effects.Exit(0)]


def test_clients_of_a_start_that_fails() -> None:
    """Whoever waits for something when the start fails is told that it did."""
    world = World({"web": Policy(workers=2)})
    world.start()
    for worker in world.alive():
        world.born(worker)
    reload = world.ask("reload")
    world.crash(world.only("web", 0))
    stop = world.ask("stop")
    world.settle()
    assert world.answers[reload].status == world.answers[stop].status == 1
    assert world.exits[0].status == 1


def test_nothing_follows_the_exit() -> None:
    """After Exit nothing is decided any more."""
    world = serving()
    world.ask("stop")
    world.settle()
    before = world.state
    for event in (
        events.Requested("reload"),
        events.Signalled("TERM", "pid 1"),
        events.TimePassed(),
    ):
        assert world.feed(event) == []
    assert world.state is before
