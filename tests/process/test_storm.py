"""A storm of crashes: the master answers, and neither stop nor reload waits for a backoff."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.conftest import NewService
from tests.process.stage import ask, crew, pids, shown
from tests.service import Service, eventually

CRASHES = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "50ms"

        def on_start(self):
            if os.path.exists("bad"):
                raise ValueError("no luck")

        def business(self):
            if os.path.exists("bad"):
                raise SystemExit(7)
"""
"""A worker that crashes, at work and at its start, as long as there is a file."""

SLOTS = 16


def _backing_off(service: Service, failures: int) -> list[dict[str, Any]]:
    """See that all slots have failed so often and wait; return what is shown of them."""
    [group] = shown(service)["groups"]
    assert len(group["failing"]) == SLOTS
    assert min(slot["failures"] for slot in group["failing"]) >= failures
    assert group["state"] == "failing" and not group["workers"]
    assert all(slot["next_try"] is not None for slot in group["failing"])
    return list(group["failing"])


@pytest.fixture
def crashing(new_service: NewService) -> Service:
    """Return a service all of whose slots crash, and back off for a second and more."""
    service = new_service({"shop.py": CRASHES})
    service.start("shop:Orders", "--workers", str(SLOTS), "--surge", "100%")
    (service.home / "bad").touch()
    answers = 0

    def failed() -> None:
        nonlocal answers
        answers += shown(service)["name"] == "shop"
        _backing_off(service, 3)

    eventually(failed)  # each look at it was an answer, and none took its PATIENCE
    assert answers > 1
    return service


def test_status_is_answered(crashing: Service) -> None:
    """While 16 slots crash and back off status answers, with cause and time of each."""
    for slot in _backing_off(crashing, 3):
        assert "no luck" in slot["cause"] or "exit status 1" in slot["cause"]
    text = crashing.command("status").stdout
    assert "failing" in text
    assert not pids(crashing)


def _soonest(service: Service) -> float:
    """Return seconds until the first slot is tried again."""
    return min(float(slot["next_try"]) for slot in _backing_off(service, 3))


@pytest.mark.parametrize("verb", ["stop", "quit", "stop --now"])
def test_an_end_waits_for_no_backoff(crashing: Service, verb: str) -> None:
    """With nobody alive every end comes before the next try of any slot."""
    eventually(lambda: _assert_over(0.5, crashing))
    soonest, begun = _soonest(crashing), time.monotonic()
    verb, _, now = verb.partition(" ")
    assert ask(crashing, verb, **({"now": True} if now else {}))["status"] == 0
    assert time.monotonic() - begun < soonest
    assert crashing.wait() == 0
    assert not crashing.alive() and not crashing.run_dir.exists()


def _assert_over(seconds: float, service: Service) -> None:
    assert _soonest(service) > seconds


def test_a_reload_waits_for_no_backoff(crashing: Service) -> None:
    """Good code is at work in every slot without a single try of the old generation."""
    eventually(lambda: _assert_over(0.5, crashing))
    (crashing.home / "bad").unlink()
    assert ask(crashing, "reload")["status"] == 0
    assert {worker["generation"] for worker in crew(crashing)} == {2}
    assert len(pids(crashing)) == SLOTS
    [group] = shown(crashing)["groups"]
    assert not group["failing"] and group["state"] == "running"


def test_a_reload_that_fails_waits_for_no_backoff(crashing: Service) -> None:
    """Bad code is refused at once, with its traceback, and the slots go on backing off."""
    eventually(lambda: _assert_over(0.5, crashing))
    answer = ask(crashing, "reload")
    assert answer["status"] == 1 and "ValueError: no luck" in answer["text"]
    (crashing.home / "bad").unlink()
    assert ask(crashing, "reload")["status"] == 0
    assert len(pids(crashing)) == SLOTS
