"""What is handed over at an upgrade is understood again, whatever state the service is in."""

from __future__ import annotations

import io
import pickle
from typing import Any

import attrs

from naruto.core import effects
from naruto.core.policy import Policy
from naruto.core.state import State
from naruto.supervise import handover

from .world import World, serving


def _over(thing: Any) -> Any:
    """Write something as a handover does, and read it."""
    out = io.BytesIO()
    handover._Pickler(out, pickle.HIGHEST_PROTOCOL).dump(thing)
    return pickle.loads(out.getvalue())


def _in_the_middle_of_everything() -> World:
    world = serving({"web": Policy(workers=3, slow_loop=5.0), "mail": Policy(restart="never")})
    world.asks_for_recycling(world.only("web", 1))
    world.crash(world.only("web", 2))
    world.end(world.only("mail", 0))
    world.reload({"web": Policy(workers=4), "mail": Policy()})
    world.ask("reload", "web")
    return world


def test_a_state_stays_what_it_is() -> None:
    """A reload, a recycling, a backoff and a finished slot are all there again."""
    state = _in_the_middle_of_everything().state
    assert state.rollout and state.wish and state.alarms
    assert _over(state) == state
    assert _over(State()) == State()


def test_the_service_goes_on_with_it() -> None:
    """Deciding on with what was read leads where it would have led."""
    world = _in_the_middle_of_everything()
    world.state = _over(world.state)
    world.recover()
    assert world.state.rollout is None
    assert world.count(effects.Exit) == 0
    assert world.generations("web") == [2] * 4


@attrs.frozen
class _Old:
    kept: int
    gone: int = 0


@attrs.frozen
class _New:
    kept: int
    added: int = 7


def test_the_next_version_may_have_other_fields() -> None:
    """A field that is no more is dropped, one that is new gets its default."""
    fields = {field.name: getattr(_Old(1, 2), field.name) for field in attrs.fields(_Old)}
    assert handover._made(_New, fields) == _New(1, 7)
