"""Workers that have looped, lived or grown enough: replaced, and nobody notices."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import NewService
from tests.process.stage import ask, crew, shown
from tests.service import eventually

LEDGER = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "2ms"

        def on_start(self):
            self.ledger = os.open("ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            self.held = b""
            self.note("ready")

        def note(self, what):
            os.write(self.ledger, f"{what} {self.index} {os.getpid()}\\n".encode())

        def business(self):
            self.note("begin")
            self.held = self.held or b"x" * LEAK
            self.note("end")

        def on_stop(self, reason):
            self.note("stop")
"""
"""A worker that keeps book of each half of its work, and holds LEAK bytes from it on."""

GREEDY = 'self.held, self.had = b"", b"y" * (32 << 20)'


def lives(ledger: Path) -> dict[int, int]:
    """Check the ledger; return how many workers each index has had.

    At every moment each index has a worker that is READY and has not left, and never two
    at work.
    """
    staff: dict[int, set[int]] = defaultdict(set)
    at_work: dict[int, int | None] = {}
    seen: dict[int, set[int]] = defaultdict(set)
    for line in ledger.read_text().splitlines():
        what, index, pid = line.split()[0], int(line.split()[1]), int(line.split()[2])
        if what == "ready":
            staff[index].add(pid)
            seen[index].add(pid)
        elif what == "begin":
            assert at_work.get(index) is None, f"{line}, while {at_work[index]} is at work"
            at_work[index] = pid
        elif what == "end":
            assert at_work[index] == pid, f"{line}: not at work"
            at_work[index] = None
        else:
            assert at_work.get(index) != pid, f"{line} in the middle of a loop"
            staff[index].discard(pid)
            assert staff[index], f"{line}: index {index} has nobody else"
    return {index: len(pids) for index, pids in seen.items()}


@pytest.mark.parametrize(
    ("setting", "workers", "reason", "leak"),
    [
        (("--max-loops", "25"), 3, r"\d+ loops \(max_loops\)", 0),
        (("--max-lifetime", "300ms"), 3, r"its age \(max_lifetime\)", 0),
        (("--max-memory", "8MB"), 2, r"1\d\.\d MB more than it had \(max_memory\)", 12 << 20),
    ],
    ids=["max_loops", "max_lifetime", "max_memory"],
)
def test_who_is_worn_out_is_replaced(
    new_service: NewService, setting: tuple[str, str], workers: int, reason: str, leak: int
) -> None:
    """Each asks, between two loops, is replaced by one that is READY, and leaves with 0."""
    service = new_service({"shop.py": LEDGER.replace("LEAK", str(leak))})
    service.start("shop:Orders", "--workers", str(workers), *setting)
    for index in range(workers):
        service.wait_for(rf"default-{index}\.\d+ asks to be replaced: {reason}")
        service.wait_for(rf"default-{index}\.\d+ .* ended with exit status 0 after reload")
    # Until the end is asked for: then nobody follows any more.
    assert all(count >= 2 for count in lives(service.home / "ledger").values())
    [group] = shown(service)["groups"]
    assert group["state"] == "running"
    assert group["failing"] == []
    assert {worker["index"] for worker in group["workers"]} == set(range(workers))
    assert {worker["generation"] for worker in group["workers"]} == {1}
    assert set(group["exits"]) == {"exit status 0"}
    assert {death["by"] for death in group["last_exits"]} == {"told to reload"}
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0


def test_max_loops_is_nearly_that(new_service: NewService) -> None:
    """A tenth more or less, so that not all ask at once; and hardly one more while it waits."""
    service = new_service({"shop.py": LEDGER.replace("LEAK", "0")})
    service.start("shop:Orders", "--max-loops", "100", "--min-uptime", "1ms")
    service.wait_for("ended with exit status 0 after reload", count=2)
    for death in shown(service)["groups"][0]["last_exits"]:
        assert death["loops"] >= 90
    text = service.log
    asked = [int(part.split()[0]) for part in text.split("asks to be replaced: ")[1:]]
    assert all(90 <= loops <= 110 for loops in asked)


def test_never_more_than_surge(new_service: NewService) -> None:
    """All ask at nearly the same time; there is never more than one process more."""
    service = new_service({"shop.py": LEDGER.replace("LEAK", "0")})
    service.start("shop:Orders", "--workers", "4", "--surge", "1", "--max-loops", "40")
    service.wait_for("ended with exit status 0 after reload", count=8)
    alive, most = set(), 0
    ledger = (service.home / "ledger").read_text().splitlines()
    for what, _, pid in (line.split() for line in ledger):
        if what == "ready":
            alive.add(pid)
        elif what == "stop":
            alive.discard(pid)
        most = max(most, len(alive))
    assert 4 <= most <= 5
    assert all(count >= 2 for count in lives(service.home / "ledger").values())


def test_memory_below_the_limit(new_service: NewService) -> None:
    """What it had when it was READY does not count, and neither does a little more."""
    source = LEDGER.replace("LEAK", str(2 << 20)).replace('self.held = b""', GREEDY)
    service = new_service({"shop.py": source})
    service.start("shop:Orders", "--max-memory", "8MB")
    [before] = crew(service)

    def looked() -> None:
        [worker] = crew(service)
        assert worker["uptime"] > 1.5  # it looks at its memory once a second

    eventually(looked)
    assert crew(service)[0]["pid"] == before["pid"]
    assert "asks to be replaced" not in service.log


def test_without_a_limit_nobody_is_replaced(new_service: NewService) -> None:
    """Nothing is set: nobody asks."""
    service = new_service({"shop.py": LEDGER.replace("LEAK", "0")})
    service.start("shop:Orders", "--interval", "0")
    [before] = crew(service)

    def looped_a_lot() -> None:
        assert crew(service)[0]["loops"] > 2000

    eventually(looped_a_lot)
    assert crew(service)[0]["pid"] == before["pid"]
    assert "asks to be replaced" not in service.log
