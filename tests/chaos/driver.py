"""The driver: one round from a seed, and the report of a violation.

What is drawn depends on the seed and on what was drawn before, each step having a source of
chance of its own; when things happen is up to the machine.
"""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from random import Random

import attrs

from tests.chaos import oracle
from tests.chaos.actions import ACTIONS, Action
from tests.chaos.ends import end
from tests.chaos.orders import roll_back
from tests.chaos.scene import Scene

TAIL = 80
"""Lines of the log that a report shows."""
FEWEST, MOST = 5, 15
"""Actions of a round, its start and its end not counted."""


class Violation(Exception):
    """A round has shown what must not be; the text is the whole report."""


@attrs.frozen
class Result:
    """A round without a violation.

    Attributes:
        seconds: How long it took.
        slowest: The longest that ``status`` took to answer, in seconds.
        story: What was done, with times.
    """

    seed: int
    actions: int
    seconds: float
    slowest: float
    story: tuple[str, ...]


def play(seed: int, home: Path) -> Result:
    """Play one round.

    Args:
        seed: Says what is done.
        home: An empty directory.

    Raises:
        Violation: Something that must not be.
    """
    began = time.monotonic()
    scene = Scene(home, seed)
    steps = Random(f"{seed}/steps").randint(FEWEST, MOST)
    try:
        scene.tell(f"{scene.plan}")
        _first_start(scene)
        for number in range(steps):
            _step(scene, number)
        _last_end(scene)
    except Exception as error:
        raise Violation(_report(scene, error)) from error
    finally:
        scene.close()
    seconds = time.monotonic() - began
    return Result(seed, steps, seconds, scene.slowest, tuple(scene.story))


def _first_start(scene: Scene) -> None:
    scene.launch()
    scene.await_up()
    scene.tell("up")
    oracle.at_rest(scene)


def _step(scene: Scene, number: int) -> None:
    chance = Random(f"{scene.seed}/{number}")
    fitting = [action for action in ACTIONS if action.fits(scene)]
    [action] = chance.choices(fitting, [action.weight for action in fitting])
    _perform(scene, chance, action)


def _perform(scene: Scene, chance: Random, action: Action) -> None:
    scene.tell(f"{action.name} ...")
    said = action.do(scene, chance)
    scene.story.pop()
    scene.tell(f"{action.name}: {said}")


def _last_end(scene: Scene) -> None:
    chance = Random(f"{scene.seed}/end")
    if not scene.up:
        if scene.linked.fault:
            roll_back(scene, chance)
        scene.launch()
        scene.await_up()
    oracle.at_rest(scene)
    scene.tell(f"at rest: {scene.possible[0]}")
    _perform(scene, chance, Action(end, ()))


def _report(scene: Scene, error: Exception) -> str:
    log = scene.log.splitlines()
    output = "".join(life.log for life in scene.lives).splitlines()
    return "\n".join(
        (
            f"seed {scene.seed}: {error}",
            *(
                traceback.format_exception(error)
                if not isinstance(error, AssertionError)
                else ()
            ),
            "what was done:",
            *(f"  {line}" for line in scene.story),
            f"where: {_where(error)}",
            f"the last {TAIL} of {len(log)} lines of {scene.log_path}:",
            *(f"  {line[:300]}" for line in log[-TAIL:]),
            "the end of what the masters have printed:",
            *(f"  {line[:300]}" for line in output[-TAIL // 2 :]),
            f"replay: pytest tests/chaos --seed {scene.seed}",
        )
    )


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/chaos/" in frame.filename]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in ours)
