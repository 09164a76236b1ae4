"""The master killed: its workers end their loops and leave, and a new start waits for them."""

from __future__ import annotations

import os
import signal

import pytest

from tests.conftest import NewService
from tests.process.stage import GATED, Gate, ask, crew, pids, program, shown
from tests.service import Service, wait_gone


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_orphans_finish_and_leave(new_service: NewService, kind: str) -> None:
    """Its master killed, a worker ends its loop, runs on_stop("orphaned"), and is gone."""
    source = GATED.replace("def on_stop", "async def on_stop") if kind == "async" else GATED
    service = new_service({"shop.py": source})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2")
        service.wait_for("begin", count=2)
        workers = pids(service)
        os.kill(service.pid, signal.SIGKILL)
        assert service.wait() == -signal.SIGKILL
        assert service.alive() == workers
        gate.open()
        for pid in workers:
            wait_gone(pid)
    for index in (0, 1):
        service.wait_for(f"end {index} of generation 1")
        service.wait_for(f"stopped {index} of generation 1: orphaned")
    assert service.log.count("begin") == 2


def test_an_orphan_is_told_besides(new_service: NewService) -> None:
    """TERM, or a line in its pipe, changes nothing for a worker that leaves as an orphan."""
    body = """
interval = 0

def business(self):
    print("begin")
    while not self.exit_flag:
        pass
    print("knows", os.getppid())
    os.read(os.open("gate", os.O_RDONLY), 1)
    print("end")

def on_stop(self, reason):
    print("on_stop", reason)
"""
    service = new_service(program(body))
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders")
        service.wait_for("begin")
        [worker] = pids(service)
        os.kill(service.pid, signal.SIGKILL)
        service.wait_for("knows")
        os.kill(worker, signal.SIGTERM)
        gate.open()
        wait_gone(worker)
    service.wait_for("end")
    service.wait_for("on_stop orphaned")
    assert "Error" not in service.log


def test_a_new_start_waits_for_orphans(new_service: NewService) -> None:
    """After kill -9 of the master a start works at once, but not two of one index."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2")
        service.wait_for("begin", count=2)
        [first, second] = [worker["pid"] for worker in crew(service)]
        os.kill(service.pid, signal.SIGKILL)
        service.wait()
        os.kill(second, signal.SIGKILL)  # only index 0 is still at work
        wait_gone(second)
        again = Service(service.home)
        again.mark = service.mark
        again.start("shop:Orders", "--workers", "2")
        again.wait_for("begin 1")
        states = {w["index"]: w["state"] for w in crew(again)}
        assert states == {0: "ready", 1: "looping"}
        again.wait_for(r"WARNING .* default-0\.\d+ is still there: its master has died")
        assert shown(again)["groups"][0]["orphans"] == [0]
        waits = "default: index 0 waits for the end of a worker whose master has died"
        assert waits in again.command("status").stdout
        gate.let(2)
        wait_gone(first)
        again.wait_for("begin 0")
        assert shown(again)["groups"][0]["orphans"] == []
        assert len(list(again.run_dir.glob("default-*.pipe"))) == 2
        gate.open()
        assert ask(again, "stop")["status"] == 0
        assert again.wait() == 0
    service.wait_for("stopped 0 of generation 1: orphaned")
    assert not again.run_dir.exists()


def test_what_a_dead_worker_had_forked(new_service: NewService) -> None:
    """The worker dies, and its master before it has seen to it: the next start does."""
    body = """
def on_start(self):
    first = os.fork()
    if first == 0:
        os.setsid()
        second = os.fork()
        if second == 0:
            while True:
                time.sleep(1000)
        with open(f"left-{self.index}-{os.getppid()}", "w") as file:
            file.write(str(second))
        os._exit(0)
    os.waitpid(first, 0)

def business(self):
    pass
"""
    service = new_service(program(body))
    service.start("shop:Orders")
    [worker] = pids(service)
    left = int((service.home / f"left-0-{worker}").read_text())
    os.kill(service.pid, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    os.kill(service.pid, signal.SIGKILL)
    service.wait()
    assert left in service.alive()
    service.start("shop:Orders")
    wait_gone(left)
