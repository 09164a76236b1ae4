"""Workers that keep dying, or have done their work: what status and exit status say."""

from __future__ import annotations

import re

import pytest

from tests.conftest import NewService
from tests.process.stage import QUICK, ask, crew, pids, shown
from tests.service import Service, eventually

DIES_WHERE_TOLD = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "10ms"

        def on_start(self):
            if os.path.exists("broken"):
                raise RuntimeError("no database")
            print("started", self.index)

        def business(self):
            if os.path.exists("broken"):
                raise SystemExit(9)
"""
"""A worker that works until there is a file "broken"; then it dies at every start."""

TWO_GROUPS = """
    [groups.web]
    target = "shop:Orders"
    max_restarts = 2

    [groups.mail]
    target = "quiet:Orders"
"""


def group(service: Service, name: str = "default") -> dict:
    """One group, as status shows it."""
    return next(g for g in shown(service)["groups"] if g["name"] == name)


def broken(service: Service, on: bool = True) -> None:
    """Break the user's code, or mend it."""
    path = service.home / "broken"
    path.touch() if on else path.unlink()


def test_failing_is_shown(new_service: NewService) -> None:
    """In its backoff a slot is failing: status says why and when it is tried again."""
    service = new_service({"shop.py": DIES_WHERE_TOLD}).start("shop:Orders", "--workers", "2")
    broken(service)
    service.wait_for("default-. is tried again in", count=4)

    def in_backoff() -> None:
        # Asked while it waits, and the master answers all the same.
        web = group(service)
        assert web["state"] == "failing"
        assert [slot["index"] for slot in web["failing"]] == [0, 1]
        for slot in web["failing"]:
            assert slot["failures"] >= 2
            assert "ended with exit status 1 before it was READY" in slot["cause"]
            assert slot["cause"].endswith("RuntimeError: no database")
            assert 0 <= slot["next_try"] <= 33

    eventually(in_backoff)
    assert "naruto" not in group(service)["failing"][0]["cause"]  # no frames of ours
    table = service.command("status").stdout
    assert re.search(
        r"default: failing: index 0, \d+ short lives in a row,"
        r" (next try in [\d.]+s|is being tried again);"
        r" the last: default-0\.\d+ ended with exit status 1 before it was READY:"
        r" RuntimeError: no database$",
        table,
        re.MULTILINE,
    )


def test_failing_is_over(new_service: NewService) -> None:
    """When the code is mended, a reload does not wait for the next try; all is well again."""
    service = new_service({"shop.py": DIES_WHERE_TOLD})
    service.start("shop:Orders", "--min-uptime", "50ms")
    broken(service)
    service.wait_for("is tried again in", count=3)
    broken(service, on=False)
    assert ask(service, "reload")["status"] == 0

    def well() -> None:
        assert (group(service)["state"], group(service)["failing"]) == ("running", [])

    eventually(well)
    assert "default: failing" not in service.command("status").stdout


def test_a_stop_does_not_wait_for_the_next_try(new_service: NewService) -> None:
    """Nobody is left, so the service ends at once, with 0."""
    service = new_service({"shop.py": DIES_WHERE_TOLD}).start("shop:Orders")
    broken(service)
    service.wait_for("is tried again in", count=3)
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0


def test_fatal_and_back_again(new_service: NewService) -> None:
    """A group that is given up is shown, the other goes on; ``reload GROUP`` starts it anew."""
    service = new_service({"shop.py": DIES_WHERE_TOLD, "quiet.py": QUICK})
    service.write("naruto.toml", TWO_GROUPS)
    service.start()
    mail = pids(service, "mail")
    broken(service)
    service.wait_for("CRITICAL .* group web is FATAL: more than 2 restarts")
    web = group(service, "web")
    assert (web["state"], web["workers"]) == ("FATAL", [])
    assert "more than 2 restarts (max_restarts) within 60 s (restart_window)" in web["fatal"]
    assert "RuntimeError: no database" in web["fatal"]
    table = service.command("status").stdout
    assert "web: FATAL: more than 2 restarts" in table
    assert "; naruto reload web brings it back" in table

    refused = service.command("reload", "web")
    assert refused.returncode == 1
    assert "RuntimeError: no database" in refused.stderr
    assert group(service, "web")["state"] == "FATAL"

    broken(service, on=False)
    assert service.command("reload", "web").returncode == 0
    web = group(service, "web")
    assert (web["state"], web["fatal"]) == ("running", None)
    assert len(crew(service, "web")) == 1
    assert pids(service, "mail") == mail


def test_fatal_is_not_failing(new_service: NewService) -> None:
    """Nobody is tried again in a FATAL group, and status doesn't say so."""
    service = new_service({"shop.py": DIES_WHERE_TOLD, "quiet.py": QUICK})
    service.write("naruto.toml", TWO_GROUPS)
    service.start()
    broken(service)
    service.wait_for("group web is FATAL")
    assert "is being tried again" not in service.command("status").stdout
    assert group(service, "web")["failing"] == []


def test_exit_5(new_service: NewService) -> None:
    """When every group is given up ``start`` exits 5, and its log says why."""
    service = new_service({"shop.py": DIES_WHERE_TOLD})
    service.start("shop:Orders", "--max-restarts", "1", "--min-uptime", "1ms")
    broken(service)
    assert service.wait() == 5
    assert "group default is FATAL: more than 1 restarts" in service.log
    assert "nothing is left to run: the service ends: group default is FATAL" in service.log
    assert not service.run_dir.exists()
    assert not service.alive()


ONE_OFF = """
    import sys
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        def business(self):
            print("done", self.index)
            sys.exit({})

        def on_stop(self, reason):
            print("on_stop", reason)
"""


@pytest.mark.parametrize(
    ("code", "args", "status"),
    [
        ("0", ["--restart", "never"], 0),
        ("", ["--restart", "unexpected"], 0),
        ("7", ["--restart", "unexpected", "--exit-codes", "0,7"], 0),
        ("7 * self.index", ["--restart", "never"], 1),
    ],
)
def test_work_that_is_done_once(
    new_service: NewService, code: str, args: list[str], status: int
) -> None:
    """Each worker ends by itself, nobody follows, and with the last one the service ends."""
    service = new_service({"shop.py": ONE_OFF.format(code)})
    service.start("shop:Orders", "--workers", "3", *args, wait_until="")
    assert service.wait() == status
    for index in range(3):
        assert service.log.count(f"done {index}") == 1
    assert service.log.count("on_stop error") == 3
    assert service.log.count("nothing is left to run") == 1
    assert not service.run_dir.exists()


def test_one_slot_is_done(new_service: NewService) -> None:
    """Status shows what is left, and calls nothing failing."""
    source = ONE_OFF.format("0").replace("print(", "if self.index: return\n            print(")
    service = new_service({"shop.py": source})
    service.start("shop:Orders", "--workers", "2", "--restart", "unexpected")
    service.wait_for(r"default-0 is not started again \(restart = unexpected\)")
    web = group(service)
    assert [worker["index"] for worker in web["workers"]] == [1]
    assert (web["state"], web["failing"], web["exits"]) == ("running", [], {"exit status 0": 1})
    assert ask(service, "quit")["status"] == 0
    assert service.wait() == 0


def test_always_starts_again_who_ended_well(new_service: NewService) -> None:
    """The default: a worker that ends, however well, is followed by another."""
    service = new_service({"shop.py": ONE_OFF.format("0")})
    service.start("shop:Orders", "--min-uptime", "1ms")
    service.wait_for("done 0", count=3)
    assert ask(service, "stop")["status"] == 0
