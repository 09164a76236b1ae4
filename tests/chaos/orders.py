"""Orders that a service survives: deploys good and bad, other settings, reloads, restarts.

Each function gives one order, checks that the exit status is the right one, and notes in the
scene what must hold from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from tests.chaos import asking, mischief, oracle, shop
from tests.chaos.asking import Outcome, Pending
from tests.chaos.plan import BAD_SETTINGS
from tests.chaos.scene import Scene

DISTURBANCES: tuple[mischief.Mischief, ...] = (
    mischief.kill_worker,
    mischief.kill_worker,
    mischief.freeze_worker,
    mischief.fill_worker_pipe,
    mischief.garbage_to_master,
    mischief.flood_master,
    mischief.term_worker,
    mischief.delete_worker_pipe,
    mischief.kill_child,
    mischief.look,
)
"""What is done to a service while it carries out an order."""


def order(scene: Scene, chance: Random, verb: str, *groups: str, **args: Any) -> Outcome:
    """Give an order and wait for the outcome: one time in six by the command line."""
    ask = asking_for(scene, chance, verb, *groups, **args)
    return ask()


def asking_for(
    scene: Scene, chance: Random, verb: str, *groups: str, **args: Any
) -> Callable[[], Outcome]:
    if chance.random() < 1 / 6:
        flags = ["--now"] if args.get("now") else []
        return partial(asking.by_command, scene.service, verb, *groups, *flags)
    if groups:
        args["groups"] = list(groups)
    return partial(asking.by_pipe, scene.service, verb, **args)


def expect(outcome: Outcome, *statuses: int) -> str:
    """See that an order has ended with one of these exit statuses."""
    assert outcome.status in statuses, (
        f"exit status {outcome.status}, not {statuses}: {outcome.text}"
    )
    return f"exits {outcome.status}"


def reloaded(scene: Scene, outcome: Outcome, groups: tuple[str, ...] = ()) -> None:
    """Note what a reload has made of the service."""
    if outcome.status == 0:
        assert scene.linked.fault == "", f"0 for code that is broken in: {scene.linked.fault}"
        scene.possible = [scene.wanted_now(groups)]
        if scene.unawaited:  # a reload of all groups may have found this code as well
            scene.forget_outcome()


def deploy_good(scene: Scene, chance: Random) -> str:
    """Deploy good code: 0, and every worker runs it."""
    scene.thaw()
    scene.link(scene.release())
    groups = _some_groups(scene, chance)
    outcome = order(scene, chance, "reload", *groups)
    said = expect(outcome, 0)
    reloaded(scene, outcome, groups)
    return f"version {scene.linked.version} {' '.join(groups)} {said}"


def _some_groups(scene: Scene, chance: Random) -> tuple[str, ...]:
    """Draw one group, or none, which means all."""
    names = sorted(scene.plan.groups)
    one = (chance.choice(names),) if chance.random() < 0.3 else ()
    known = scene.possible[0]
    unchanged = all(known[n].workers == scene.plan.groups[n].workers for n in names)
    return one if len(scene.possible) == 1 and unchanged else ()


def deploy_bad(scene: Scene, chance: Random) -> str:
    """Deploy broken code: 1, and the old stays; the link goes back, or does not yet."""
    scene.thaw()
    back = chance.random() < 0.6
    good = scene.linked
    scene.link(scene.release(chance.choice(sorted(shop.FAULTS))))
    fault = scene.linked.fault
    said = expect(order(scene, chance, "reload"), 1)
    if back:
        scene.link(good)
    return f"broken in: {fault}; {said}{', link back' if back else ''}"


def roll_back(scene: Scene, chance: Random) -> str:
    """Let the link lead to good code again, without a reload."""
    scene.link(scene.release())
    if scene.unawaited:  # it may find this code, and not the broken one
        scene.forget_outcome()
    return f"version {scene.linked.version}"


def change_settings(scene: Scene, chance: Random) -> str:
    """Change the settings and reload: 0, and there are as many workers as they say."""
    scene.thaw()
    scene.write_settings(scene.plan.changed(chance))
    outcome = order(scene, chance, "reload")
    said = expect(outcome, 0)
    reloaded(scene, outcome)
    return f"{ {n: g.workers for n, g in scene.plan.groups.items()} } {said}"


def bad_settings(scene: Scene, chance: Random) -> str:
    """Write bad settings: a reload exits 2, a restart 1, and nothing changes."""
    scene.thaw()
    verb, status = chance.choice([("reload", 2), ("reload", 2), ("restart", 1)])
    scene.write_settings_text(chance.choice(BAD_SETTINGS))
    said = expect(order(scene, chance, verb), status)
    scene.write_settings(scene.plan)
    return f"{verb} {said}"


def reload_twice(scene: Scene, chance: Random) -> str:
    """Ask for several reloads at once: all exit 0."""
    scene.thaw()
    scene.link(scene.release())
    asked = [Pending(asking_for(scene, chance, "reload")) for _ in range(chance.randint(2, 4))]
    for one in asked:
        outcome = one.outcome()
        expect(outcome, 0)
        reloaded(scene, outcome)
    return f"{len(asked)} times"


def reload_disturbed(scene: Scene, chance: Random) -> str:
    """Do mischief while a reload goes on: it exits 0 or 1, and tells the truth."""
    scene.thaw()
    scene.link(scene.release(chance.choice(["", "", "", "start raises", "first loop raises"])))
    pending = Pending(asking_for(scene, chance, "reload"))
    done = disturb(scene, chance)
    scene.thaw()
    outcome = pending.outcome()
    said = expect(outcome, *((1,) if scene.linked.fault else (0, 1)))
    reloaded(scene, outcome)
    return f"version {scene.linked.version} {scene.linked.fault} ({done}) {said}"


def disturb(scene: Scene, chance: Random) -> str:
    """Do up to three things to the service while an order is under way."""
    done = []
    for _ in range(chance.randint(1, 3)):
        one = chance.choice(DISTURBANCES)
        done.append(f"{one.__name__} {one(scene, chance)}")
    return "; ".join(done)


def restart(scene: Scene, chance: Random) -> str:
    """Restart: 0, or 1 where a loop had to be killed; the pid stays, the code is new."""
    scene.thaw()
    if chance.random() < 0.5:
        scene.link(scene.release())
    pid, since = scene.master, len(scene.log)
    outcome = order(scene, chance, "restart")
    said = expect(outcome, oracle.status_of_an_end(scene, since))
    scene.possible = [scene.wanted_now()]
    assert scene.shown()["pid"] == pid
    return said


def upgrade(scene: Scene, chance: Random) -> str:
    """Upgrade: 0; the master stays who it is, and a frozen worker does not hinder it."""
    pid = scene.master
    said = expect(order(scene, chance, "upgrade"), 0)
    assert scene.shown()["pid"] == pid
    return said


def upgrade_refused(scene: Scene, chance: Random) -> str:
    """Upgrade with code that does not load: 1, and everything stays."""
    return expect(order(scene, chance, "upgrade"), 1)


def restart_refused(scene: Scene, chance: Random) -> str:
    """Restart with code that does not load: 1, and everything stays."""
    return expect(order(scene, chance, "restart"), 1)


def rest(scene: Scene, chance: Random) -> str:
    """Let the service come to rest, and see that it is as it should be."""
    oracle.at_rest(scene)
    return str(scene.possible[0])
