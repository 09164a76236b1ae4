"""Handing over from old workers to new ones: how many at once, and never two at work."""

from __future__ import annotations

import pytest

from tests.conftest import NewService
from tests.process.stage import GATED_START, QUICK, Gate, ask, crew, shown
from tests.service import Service, eventually

EXCLUSIVE = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = 0

        def business(self):
            mine = f"at-work-{self.index}"
            os.close(os.open(mine, os.O_CREAT | os.O_EXCL))  # raises where somebody is
            sum(range(2000))
            os.unlink(mine)

        def on_error(self, error):
            print("NOT ALONE")
"""


@pytest.mark.parametrize(("surge", "at_once"), [("1", 1), ("2", 2), ("100%", 4)])
def test_surge(new_service: NewService, surge: str, at_once: int) -> None:
    """After the canary so many are in flight, and the strength never falls below workers."""
    service = new_service({"shop.py": GATED_START})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "5", "--surge", surge)
        service.echo("reload\n")
        service.wait_for("start [1-4] of generation 2", count=at_once)
        workers = crew(service)
        new = [w for w in workers if w["generation"] == 2]
        assert len([w for w in new if w["state"] == "starting"]) == at_once
        assert len([w for w in workers if w["told"] is None]) - at_once >= 5
        assert all(w["told"] is None for w in workers if w["index"] > 0)
        if surge == "100%":
            gate.let(3)
            _until_ready(service, 3)
            assert all(w["told"] is None for w in crew(service) if w["index"] > 0)
        gate.open()
        service.wait_for("reloaded: 5 workers run generation 2")
    assert {w["generation"] for w in crew(service)} == {2}


def _until_ready(service: Service, count: int) -> None:
    def ready() -> None:
        waiting = [w for w in crew(service) if w["generation"] == 2 and w["state"] == "ready"]
        assert len(waiting) == count

    eventually(ready)


def test_nobody_follows_before_the_canary_has_passed(new_service: NewService) -> None:
    """While the canary is in its first loop no other new worker is there."""
    service = new_service({"shop.py": QUICK})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "3", "--surge", "100%")
        waits = "import os; print('first'); os.read(os.open('gate', 0), 1)"
        service.write("shop.py", QUICK.replace("pass", waits))
        service.echo("reload\n")
        service.wait_for("INFO .* first$")
        workers = crew(service)
        assert [w["index"] for w in workers if w["generation"] == 2] == [0]
        assert all(w["told"] is None for w in workers)
        gate.open()
        service.wait_for("reloaded: 3 workers run generation 2")


def test_without_overlap(new_service: NewService) -> None:
    """With overlap = false an index's old worker has ended before its new one starts."""
    service = new_service(
        {
            "shop.py": """
                import os
                from naruto import WorkerProcess

                class Orders(WorkerProcess):
                    interval = "20ms"

                    def on_start(self):
                        self.mine = f"port-{self.index}"
                        os.close(os.open(self.mine, os.O_CREAT | os.O_EXCL))

                    def business(self):
                        pass

                    def on_stop(self, reason):
                        os.unlink(self.mine)
            """
        }
    )
    service.start("shop:Orders", "--workers", "2", "--no-overlap")
    for generation in (2, 3):
        answer = ask(service, "reload")
        assert answer["text"] == f"reloaded: 2 workers run generation {generation}"


def test_two_of_one_index_are_never_at_work(new_service: NewService) -> None:
    """Over reloads, kills between them and surge no two workers share an index in business."""
    service = new_service({"shop.py": EXCLUSIVE})
    service.start("shop:Orders", "--workers", "3", "--surge", "100%")
    for _ in range(3):
        assert ask(service, "reload")["status"] == 0
        pipe = next(service.run_dir.glob("default-1.*.pipe"))
        service.echo("reload\n", pipe.name)
    assert ask(service, "quit")["status"] == 0
    assert service.wait() == 0
    assert "NOT ALONE" not in service.log
    assert "ERROR" not in service.log


def test_strength_never_falls(new_service: NewService) -> None:
    """At every look during a reload at least ``workers`` are past their start and stay."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "3")
    service.echo("reload\n")
    looks = 0
    while shown(service)["groups"][0]["generation"] == 1:
        ready = [w for w in crew(service) if w["state"] not in ("forking", "starting")]
        assert len([w for w in ready if w["told"] is None]) >= 3
        looks += 1
    assert looks > 0
