"""Death records: whatever ends a worker, the log and status tell how, by whom, and where."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from tests.conftest import NewService
from tests.process.stage import GATED, Gate, ask, crew, pids, program, shown
from tests.service import Service, eventually

ENDS = """
    import ctypes
    import os
    import resource
    import signal
    import sys
    import time
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "10ms"

        def business(self):
            if self.generation > 1 or not os.path.exists("now"):
                return
            os.unlink("now")
            self.working_on = "order 4711"
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            self.end()

        def end(self):
            {}
"""
"""A worker that ends in its own way in the loop that finds a file "now"."""


def last(service: Service) -> dict[str, Any]:
    """The newest death record of the only group."""
    deaths = shown(service)["groups"][0]["last_exits"]
    assert deaths, "nobody has died"
    record: dict[str, Any] = deaths[-1]
    return record


def lines(service: Service, pid: int) -> list[str]:
    """What the log says of the end of a process."""
    pattern = rf"\(pid {pid}, generation \d+\) (ended with|was killed)"
    return [line for line in service.log.splitlines() if re.search(pattern, line)]


def ended(service: Service, code: str, *args: str) -> dict[str, Any]:
    """Start a worker that ends so; return its record when its successor works."""
    service.write("shop.py", ENDS.format(code))
    service.start("shop:Orders", *args)
    [worker] = crew(service)
    (service.home / "now").touch()

    def dead() -> None:
        assert last(service)["pid"] == worker["pid"]

    eventually(dead)
    eventually(lambda: _works(service, worker["pid"]))
    record = last(service)
    assert (record["index"], record["generation"]) == (0, 1)
    assert record["serial"] == worker["serial"]
    assert record["uptime"] > 0 and record["ago"] >= 0
    assert record["cpu"] > 0 and record["memory"] > 5_000_000
    assert len(lines(service, worker["pid"])) == 1
    return record


def _works(service: Service, old: int) -> None:
    assert [w["pid"] != old and w.get("loops", 0) > 0 for w in crew(service)] == [True]


@pytest.mark.parametrize(
    ("code", "status", "in_loop"),
    [
        ("os._exit(3)", 3, True),
        ("sys.exit(4)", 4, False),
        ("raise SystemExit", 0, False),
        ("sys.exit('no more paper')", 1, False),
    ],
)
def test_exit_codes(new_service: NewService, code: str, status: int, in_loop: bool) -> None:
    """An exit code is nobody's but its own; os._exit cuts the loop that it is called in."""
    service = new_service()
    record = ended(service, code)
    assert (record["exit_code"], record["signal"]) == (status, None)
    assert (record["by"], record["oom"], record["last_words"]) == ("itself", None, None)
    assert record["working_on"] == ("order 4711" if in_loop else None)
    assert (record["loop_age"] is not None) is in_loop
    [line] = lines(service, record["pid"])
    assert f"ended with exit status {status}" in line
    assert ("working on order 4711" in line) is in_loop
    assert " ERROR " in line if in_loop else " WARNING " in line
    assert shown(service)["groups"][0]["exits"] == {f"exit status {status}": 1}


def test_too_many_errors(new_service: NewService) -> None:
    """The last words of a worker that gave up are the traceback, without frames of ours."""
    service = new_service()
    record = ended(service, "raise ValueError('what a price')", "--max-errors", "1")
    assert (record["exit_code"], record["by"]) == (1, "itself")
    assert "ValueError: what a price" in record["last_words"]
    assert "shop.py" in record["last_words"]
    assert "naruto/" not in record["last_words"]


def test_segfault(new_service: NewService) -> None:
    """An uncaught signal: faulthandler's stack, the user's part of it, is in the last words."""
    service = new_service()
    record = ended(service, "ctypes.string_at(0)")
    assert (record["exit_code"], record["signal"]) == (None, "SEGV")
    assert record["by"] == "nobody of naruto's"
    assert record["working_on"] == "order 4711"
    words = record["last_words"]
    assert "Segmentation fault" in words
    assert re.search(r'shop\.py", line \d+ in end\n.*shop\.py", line \d+ in business', words)
    assert "/naruto/" not in words
    service.wait_for(rf"last words of default-0\.{record['serial']}")
    service.wait_for(r"shop\.py\", line \d+ in end")
    assert shown(service)["groups"][0]["exits"] == {"signal SEGV": 1}


def test_a_signal_of_its_own(new_service: NewService) -> None:
    """A signal that nobody handles, by name."""
    record = ended(
        service := new_service(),
        "signal.signal(signal.SIGALRM, signal.SIG_DFL); signal.raise_signal(signal.SIGALRM)",
    )
    assert record["signal"] == "ALRM"
    assert "ended with signal ALRM in a loop" in lines(service, record["pid"])[0]


def test_killed_by_a_stranger(new_service: NewService) -> None:
    """SIGKILL by nobody of naruto's, in the middle of a loop: named with what it worked on."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders")
        service.wait_for("begin")
        gate.let(2)
        service.wait_for("begin", count=3)
        [pid] = pids(service)
        service.signal("KILL", pid)
        service.wait_for(f"pid {pid}, .*ended with signal KILL in a loop for")
        record = last(service)
        assert (record["signal"], record["exit_code"]) == ("KILL", None)
        assert record["by"] == "nobody of naruto's"
        assert (record["loops"], record["working_on"]) == (2, "order of 0")
        assert record["loop_age"] >= 0
        [line] = lines(service, pid)
        assert re.search(
            r" ERROR .* in a loop for [\d.]+ s, working on order of 0; 2 loops,"
            r" up [\d.]+ s, [\d.]+ s of CPU, at most [\d.]+ MB$",
            line,
        )
        gate.open()


def test_killed_by_the_deadline_of_a_stop(new_service: NewService) -> None:
    """The line names who, on what, for how long, and that the master did it."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate"):
        service.start("shop:Orders", "--stop-timeout", "300ms")
        service.wait_for("begin")
        [pid] = pids(service)
        answer = ask(service, "stop")
        assert answer["status"] == 1
        assert "working on order of 0" in answer["text"]
        assert service.wait() == 1
    [line] = lines(service, pid)
    assert "was killed (did not leave before its deadline) in a loop for" in line
    assert "working on order of 0" in line


def test_killed_by_the_deadline_of_a_line_by_hand(new_service: NewService) -> None:
    """Whose on_stop hangs is killed; the record says that the master did it, and why."""
    body = """
interval = "10ms"

def business(self):
    pass

def on_stop(self, reason):
    if reason == "reload":
        time.sleep(3600)
"""
    service = new_service(program(body))
    service.start("shop:Orders", "--stop-timeout", "300ms")
    [worker] = crew(service)
    service.echo("reload\n", f"default-0.{worker['serial']}.pipe")
    service.wait_for(r"was killed \(was still in on_stop after stop_timeout \(0.3 s\)\)")
    record = last(service)
    assert record["signal"] == "KILL"
    assert record["by"] == "the master: was still in on_stop after stop_timeout (0.3 s)"
    assert record["loop_age"] is None


def test_killed_by_loop_timeout(new_service: NewService) -> None:
    """The stack is in the last words, and the record says for what it was killed."""
    record = ended(service := new_service(), "time.sleep(3600)", "--loop-timeout", "300ms")
    assert record["by"] == "the master: its loop ran longer than loop_timeout (0.3 s)"
    assert record["working_on"] == "order 4711"
    assert record["loop_age"] >= 0.3
    assert re.search(r"shop\.py\", line \d+ in end", record["last_words"])
    [line] = lines(service, record["pid"])
    assert "was killed (its loop ran longer than loop_timeout (0.3 s)) in a loop for" in line


@pytest.mark.parametrize(("verb", "by"), [("reload", "told to reload"), (None, "by a line")])
def test_told(new_service: NewService, verb: str | None, by: str) -> None:
    """An end that was asked for is a record too, and the log says it without alarm."""
    service = new_service({"shop.py": ENDS.format("pass")}).start("shop:Orders")
    [worker] = crew(service)
    if verb:
        assert ask(service, verb)["status"] == 0
    else:
        service.echo("quit\n", f"default-0.{worker['serial']}.pipe")
    service.wait_for(rf"pid {worker['pid']}, .* ended with exit status 0")
    record = last(service)
    assert by in record["by"]
    assert record["exit_code"] == 0
    assert " INFO " in lines(service, worker["pid"])[0]


def test_cpu_and_memory(new_service: NewService) -> None:
    """What the kernel has counted: a worker that burnt 0.2 s and held 64 MB at its peak."""
    burn = "held = bytearray(64 << 20); until = time.process_time() + 0.2"
    burn += "\n            while time.process_time() < until: pass\n            os._exit(0)"
    record = ended(new_service(), burn)
    assert record["cpu"] >= 0.2
    assert record["memory"] >= 64 << 20


def test_the_last_20_are_kept(new_service: NewService) -> None:
    """Older records go; the histogram still counts them all."""
    source = """
        import sys

        def poll():
            sys.exit(6)
    """
    service = new_service({"shop.py": source})
    service.start("shop:poll", "--workers", "8", "--min-uptime", "1ms", "--interval", "1ms")
    service.wait_for("ended with exit status 6", count=30)
    [group] = shown(service)["groups"]
    assert len(group["last_exits"]) == 20
    assert group["exits"]["exit status 6"] >= 30
    serials = [record["serial"] for record in group["last_exits"]]
    assert min(serials) > 8  # those of the first workers are gone
    assert all(record["exit_code"] == 6 for record in group["last_exits"])
    assert ask(service, "stop")["status"] == 0


WAITER = """
    import os
    import sys
    import threading
    from naruto import Manager

    def wait_for_all():
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
                os.write(1, f"stole {pid}\\n".encode())  # in one piece
            except ChildProcessError:
                pass

    threading.Thread(target=wait_for_all, daemon=True).start()
    options = {"run_dir": "run", "log_level": "info", "workers": 2, "min_uptime": "1ms"}
    status = Manager("shop:poll", **options).run()
    print("after", status, flush=True)
"""
"""A program whose thread takes the status of every child, naruto's included."""


def _looping(service: Service) -> None:
    assert [w["state"] for w in crew(service)] == ["resting"] * 2


def test_a_status_that_somebody_else_takes(new_service: NewService) -> None:
    """The record says that nobody knows how it ended, and its slot is filled again."""
    service = new_service({"shop.py": "def poll(): pass\n", "program.py": WAITER})
    service.run([sys.executable, "-W", "ignore", "program.py"])
    for _ in range(50):  # the master's own wait may be faster
        [first, second] = crew(service)
        service.signal("KILL", first["pid"])
        ended = service.wait_for(rf"pid {first['pid']}, generation 1\) ended with")
        if "an unknown status, taken by another wait" in ended:
            break
        eventually(lambda: _looping(service))
    service.wait_for(f"stole {first['pid']}")
    record = last(service)
    assert (record["pid"], record["exit_code"], record["signal"]) == (first["pid"], None, None)
    assert record["by"] == "nobody knows"

    def filled() -> None:
        assert [w["state"] for w in crew(service)] == ["resting"] * 2
        assert {second["pid"]} == pids(service) & {first["pid"], second["pid"]}

    eventually(filled)
    assert service.command("stop").returncode == 0
    service.wait_for("after 0")
