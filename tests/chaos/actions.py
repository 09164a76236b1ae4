"""The table of actions: what may be done next, when it makes sense, and how often.

A new action is a function of a scene and a source of chance that returns what it has done in
words, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs

from tests.chaos import ends, mischief, orders
from tests.chaos.scene import Scene

Condition = Callable[[Scene], bool]


@attrs.frozen
class Action:
    """One row.

    Attributes:
        do: What to do.
        when: All of these must hold.
        weight: How often it is drawn, against the others that may be.
    """

    do: Callable[[Scene, Random], str]
    when: tuple[Condition, ...]
    weight: int = 2

    @property
    def name(self) -> str:
        """Its name in a story."""
        return self.do.__name__

    def fits(self, scene: Scene) -> bool:
        """Whether it makes sense now."""
        return all(condition(scene) for condition in self.when)


def up(scene: Scene) -> bool:
    """The service runs."""
    return scene.up


def down(scene: Scene) -> bool:
    """It doesn't."""
    return not scene.up


def preloaded(scene: Scene) -> bool:
    """Workers are forked by moulds."""
    return scene.plan.preload


def frozen(scene: Scene) -> bool:
    """Somebody is under SIGSTOP."""
    return bool(scene.frozen)


def good(scene: Scene) -> bool:
    """The link leads to good code."""
    return scene.linked.fault == ""


def broken(scene: Scene) -> bool:
    """The link leads to broken code."""
    return scene.linked.fault != ""


def unloadable(scene: Scene) -> bool:
    """The link leads to code that can't even be loaded."""
    return not scene.linked.loads


def unstartable(scene: Scene) -> bool:
    """The link leads to code with which no worker is ever READY."""
    return not scene.linked.starts


ACTIONS = (
    Action(mischief.kill_worker, (up,), 6),
    Action(mischief.freeze_worker, (up,), 3),
    Action(mischief.thaw, (up, frozen), 4),
    Action(mischief.kill_child, (up,), 2),
    Action(mischief.kill_mould, (up, preloaded), 6),
    Action(mischief.fill_worker_pipe, (up,), 3),
    Action(mischief.garbage_to_master, (up,), 3),
    Action(mischief.flood_master, (up,), 1),
    Action(mischief.tell_worker_by_hand, (up,), 4),
    Action(mischief.term_worker, (up,), 3),
    Action(mischief.delete_worker_pipe, (up,), 2),
    Action(mischief.look, (up,), 1),
    Action(mischief.start_again, (up,), 1),
    Action(mischief.storm, (up,), 2),
    Action(mischief.kill_master, (up, good), 4),
    Action(orders.rest, (up,), 5),
    Action(orders.deploy_good, (up,), 6),
    Action(orders.deploy_bad, (up, good), 6),
    Action(orders.roll_back, (up, broken), 6),
    Action(orders.change_settings, (up, good), 4),
    Action(orders.bad_settings, (up,), 3),
    Action(orders.reload_twice, (up,), 2),
    Action(orders.reload_disturbed, (up, good), 6),
    Action(orders.restart, (up, good), 3),
    Action(orders.restart_refused, (up, unloadable), 4),
    Action(orders.upgrade, (up, good), 5),
    Action(orders.upgrade_refused, (up, unloadable), 3),
    Action(ends.end, (up,), 3),
    Action(ends.end_during_reload, (up,), 2),
    Action(ends.start, (down, good), 6),
    Action(ends.start_two, (down, good), 2),
    Action(ends.end_during_start, (down, good), 2),
    Action(ends.start_broken, (down, unstartable), 4),
    Action(orders.roll_back, (down, broken), 4),
)
