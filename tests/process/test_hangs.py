"""Loops that hang are shown, and ended where asked for; a stopped worker is not dead."""

from __future__ import annotations

import re

import pytest

from tests.conftest import NewService
from tests.process.stage import GATED, QUICK, Gate, ask, crew, pids, shown, tell, text_status
from tests.service import Service, eventually

SLOW = """
    import time
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "10ms"

        def business(self):
            self.working_on = "order 4711"
            print("begin")
            self.ask_the_bank()
            print("end")

        def ask_the_bank(self):
            time.sleep(0.7)
"""

STUCK = """
    import ctypes
    import threading
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "10ms"

        def business(self):
            self.working_on = "order 4711"
            print("begin")
            {}()


    def in_python():
        while True:
            pass


    def in_a_deadlock():
        mine, its = threading.Lock(), threading.Lock()
        mine.acquire()
        other = threading.Thread(target=other_thread, args=(mine, its), daemon=True)
        other.start()
        while not its.locked():
            pass
        its.acquire()


    def other_thread(mine, its):
        its.acquire()
        mine.acquire()


    def in_c():
        libc = ctypes.PyDLL(None)  # unlike CDLL it keeps the interpreter lock
        mutex = ctypes.create_string_buffer(64)  # zeros: PTHREAD_MUTEX_INITIALIZER
        libc.pthread_mutex_lock(mutex)
        libc.pthread_mutex_lock(mutex)
"""


def state(service: Service) -> str:
    """What the only worker is doing."""
    [worker] = crew(service)
    return str(worker["state"])


def stop_by_signal(service: Service) -> int:
    """Stop the only worker, and wait until the master knows."""
    [pid] = pids(service)
    service.signal("STOP", pid)
    service.wait_for(rf"\(pid {pid}\) was stopped by a signal; it is not dead")
    return pid


def is_in_state(pid: int, letter: str) -> None:
    """Check the state of a process, as ps(1) shows it."""
    assert text_status(pid)["State"].startswith(letter)


# Slow loops and loops that never end


def test_a_slow_loop_is_shown(new_service: NewService) -> None:
    """Once a loop, the user's own frames; the worker goes on, and so does the loop."""
    service = new_service({"shop.py": SLOW}).start("shop:Orders", "--slow-loop", "200ms")
    [before] = pids(service)
    service.wait_for(r"default-0\.\d+ has been in a loop for 0\.\d s:$")
    service.wait_for(r'File ".*/shop\.py", line \d+ in ask_the_bank')
    service.wait_for(r'File ".*/shop\.py", line \d+ in business')
    service.wait_for(r"\] end", count=3)
    assert pids(service) == {before}
    loops = service.log.count("] begin")
    assert loops - 1 <= service.log.count("has been in a loop for") <= loops
    assert not re.search(r'File ".*/naruto/', service.log)
    assert shown(service)["groups"][0]["last_exits"] == []


def test_a_loop_that_is_not_slow_is_not(new_service: NewService) -> None:
    """Work without end in short loops is no slow loop."""
    source = SLOW.replace("time.sleep(0.7)", "time.sleep(0.02); return True")
    service = new_service({"shop.py": source}).start("shop:Orders", "--slow-loop", "300ms")
    service.wait_for("end", count=30)
    assert "has been in a loop" not in service.log


@pytest.mark.parametrize("where", ["in_python", "in_a_deadlock", "in_c"])
def test_a_stuck_loop_is_ended(new_service: NewService, where: str) -> None:
    """Killed and named with what it worked on and for how long; where it was stuck is shown."""
    service = new_service({"shop.py": STUCK.format(where)})
    service.start("shop:Orders", "--loop-timeout", "400ms")
    [pid] = pids(service)
    service.wait_for(
        rf"ERROR .*\(pid {pid}, generation 1\) was killed"
        r" \(its loop ran longer than loop_timeout \(0\.4 s\)\)"
        r" in a loop for (0\.[4-9]|[1-9]\.\d) s, working on order 4711"
    )
    service.wait_for(rf'File ".*/shop\.py", line \d+ in {where}')
    if where == "in_a_deadlock":
        assert "in other_thread" in service.log
    service.wait_for("begin", count=2)  # its successor works
    record = shown(service)["groups"][0]["last_exits"][0]
    assert record["pid"] == pid
    assert f"in {where}" in record["last_words"]
    assert "/naruto/" not in record["last_words"]
    assert record["loop_age"] >= 0.4


def test_a_hung_loop_does_not_stop_a_reload(new_service: NewService) -> None:
    """A reload that waits for a stuck loop goes on when loop_timeout has ended it."""
    service = new_service({"shop.py": STUCK.format("in_c")})
    service.start("shop:Orders", "--loop-timeout", "400ms")
    service.wait_for("begin")
    service.write("shop.py", QUICK)
    assert ask(service, "reload")["status"] == 0
    assert "was killed (its loop ran longer" in service.log


def test_a_hung_loop_does_not_stop_a_quit(new_service: NewService) -> None:
    """A quit has no deadline of its own; loop_timeout ends a loop in it as ever."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate"):
        service.start("shop:Orders", "--loop-timeout", "200ms")
        service.wait_for("begin")
        done = service.command("quit", "--timeout", "1s")
        assert "loop_timeout" in done.stderr or "loop_timeout" in service.log


# Stopped by a signal


def test_stopped_and_continued(new_service: NewService) -> None:
    """Status says so, nobody takes its place, and it goes on as if nothing had been."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders")
    pid = stop_by_signal(service)
    assert state(service) == "stopped"
    assert "stopped" in service.command("status").stdout
    service.signal("CONT", pid)
    service.wait_for(rf"\(pid {pid}\) was continued")
    assert state(service) != "stopped"
    assert pids(service) == {pid}


def test_stopped_while_another_dies(new_service: NewService) -> None:
    """Both are learnt of, also where one SIGCHLD tells of them."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    [first, second] = [worker["pid"] for worker in crew(service)]
    service.signal("STOP")
    eventually(lambda: is_in_state(service.pid, "T"))
    service.signal("STOP", first)
    service.signal("KILL", second)
    eventually(lambda: is_in_state(first, "T"))
    eventually(lambda: is_in_state(second, "Z"))
    service.signal("CONT")
    service.wait_for(rf"pid {second}, .* ended with signal KILL")
    service.wait_for("started 1 of generation 1", count=2)
    assert crew(service)[0]["state"] == "stopped"


@pytest.mark.parametrize("verb", ["stop", "quit"])
def test_a_stopped_worker_obeys(new_service: NewService, verb: str) -> None:
    """Told to leave, it is continued, ends its loop, and leaves: no loop is cut."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders")
    stop_by_signal(service)
    assert ask(service, verb)["status"] == 0
    assert service.wait() == 0
    assert f"stopped 0 of generation 1: {verb}" in service.log


def test_stopped_after_it_was_told(new_service: NewService) -> None:
    """It reads nothing any more: stop_timeout still ends it, and it's named."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate"):
        service.start("shop:Orders", "--stop-timeout", "700ms")
        service.wait_for("begin")
        [pid] = pids(service)
        tell(service, "stop")
        service.wait_for("stop asked for")
        service.signal("STOP", pid)
        assert service.wait() == 1
    service.wait_for(rf"pid {pid}, .* was killed \(did not leave before its deadline\)")
    assert not service.alive()


def test_stop_now_ends_a_stopped_worker(new_service: NewService) -> None:
    """SIGKILL needs no worker that runs."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders")
    stop_by_signal(service)
    ask(service, "stop", now=True)
    service.wait()
    assert not service.alive()


@pytest.mark.parametrize("overlap", ["true", "false"])
def test_a_reload_continues_it(new_service: NewService, overlap: str) -> None:
    """A stopped worker can't hold up a reload: it reads what it's told, and makes way."""
    service = new_service({"shop.py": QUICK})
    service.start("shop:Orders", "--workers", "2", NARUTO_OVERLAP=overlap)
    before = pids(service)
    for pid in before:
        service.signal("STOP", pid)
        service.wait_for(rf"\(pid {pid}\) was stopped by a signal")
    assert ask(service, "reload")["status"] == 0
    service.wait_for("stopped . of generation 1: reload", count=2)
    assert not pids(service) & before


def test_a_slow_loop_of_a_stopped_worker(new_service: NewService) -> None:
    """It can write no stack: the log says why instead."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--slow-loop", "700ms")
        service.wait_for("begin")
        pid = stop_by_signal(service)
        service.wait_for("has been in a loop for")
        service.wait_for("it is stopped by a signal")
        service.signal("CONT", pid)
        gate.open()
        service.wait_for("end 0")


def test_loop_timeout_of_a_stopped_worker(new_service: NewService) -> None:
    """Not dead, but hung: it is killed in time, with no stack to show."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--loop-timeout", "500ms")
        service.wait_for("begin")
        pid = stop_by_signal(service)
        service.wait_for(rf"pid {pid}, .* was killed \(its loop ran longer than loop_timeout")
        service.wait_for("begin", count=2)
        gate.open()
