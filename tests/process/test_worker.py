"""A worker's life as its user sees it: loops, rests, errors, hooks, and being told to leave."""

from __future__ import annotations

import os
import re
import signal
import socket

import pytest

from tests.conftest import NewService
from tests.process.stage import GATED, QUICK, Gate, ask, crew, pids, shown
from tests.service import Service, eventually, wait_gone


def _class(body: str, more: str = "") -> dict[str, str]:
    """Return shop.py with a class Orders; ``body`` is indented by four more."""
    indented = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return {
        "shop.py": "import asyncio, os, socket, sys, time\n"
        "from naruto import WorkerProcess\n"
        f"{more}\n\n"
        f"class Orders(WorkerProcess):\n{indented}\n"
    }


def _numbers(service: Service, name: str) -> list[float]:
    """The numbers that user code has printed under a name."""
    return [float(n) for n in re.findall(rf" {name} ([\d.]+)$", service.log, re.MULTILINE)]


RESTS = """
interval = "100ms"
max_interval = "350ms"
last = None

def business(self):
    now = time.monotonic()
    if self.last:
        print("rest", round(now - self.last, 4))
    self.last = time.monotonic()
    {}
"""


def test_true_goes_round_at_once(new_service: NewService) -> None:
    """business() that returns True is called again without a rest."""
    body = """
interval = "1h"
max_interval = "1h"
loops = 0

def business(self):
    self.loops += 1
    if self.loops == 1000:
        print("a thousand")
    return self.loops < 1000
"""
    service = new_service(_class(body)).start("shop:Orders")
    service.wait_for("a thousand")

    def rests() -> None:
        [worker] = crew(service)
        assert (worker["state"], worker["loops"]) == ("resting", 1000)

    eventually(rests)


def test_none_rests_for_the_interval(new_service: NewService) -> None:
    """None rests for interval, give or take a tenth; no rest is shorter."""
    service = new_service(_class(RESTS.format("return None"))).start("shop:Orders")
    service.wait_for(" rest ", count=4)
    assert all(rest >= 0.0899 for rest in _numbers(service, "rest"))


def test_false_rests_longer_each_time(new_service: NewService) -> None:
    """False doubles the rest up to max_interval, and anything else begins anew."""
    body = RESTS.format(
        "self.n = getattr(self, 'n', 0) + 1\n    return None if self.n == 5 else False"
    )
    service = new_service(_class(body)).start("shop:Orders")
    service.wait_for(" rest ", count=6)
    least = [0.1, 0.2, 0.35, 0.35, 0.1, 0.1]
    rests = _numbers(service, "rest")[:6]
    assert all(rest >= 0.899 * low for rest, low in zip(rests, least, strict=True))
    assert rests[4] < rests[3]


def test_another_value_is_reported_once(new_service: NewService) -> None:
    """What means nothing is taken as None, and told once."""
    body = 'interval = "10ms"\n\ndef business(self):\n    print("looped")\n    return 1'
    service = new_service(_class(body)).start("shop:Orders")
    service.wait_for("looped", count=4)
    assert service.log.count("business() returned 1;") == 1


ERRORS = """
interval = "10ms"
{}

def business(self):
    self.working_on = "order 7"
    raise OSError("no such table")

def on_error(self, error):
    print("on_error", repr(error))
    {}

def on_stop(self, reason):
    print("on_stop", reason)
"""


def test_errors_are_logged_and_the_worker_replaced(new_service: NewService) -> None:
    """Each traceback is logged, on_error is called; after max_errors a clean worker starts."""
    service = new_service(_class(ERRORS.format("max_errors = 2", "")))
    service.start("shop:Orders")
    [first] = pids(service)
    service.wait_for(rf"default-0\[{first}\] business\(\) raised on order 7")
    service.wait_for(rf"default-0\[{first}\] OSError: no such table")
    service.wait_for(r"on_error OSError\('no such table'\)", count=2)
    service.wait_for(f"{first}.* 2 loops in a row raised")
    service.wait_for("on_stop error")
    service.wait_for(rf"WARNING .*default-0\.\d+ \(pid {first}.*ended with exit status 1")
    service.wait_for("on_error", count=3)
    assert first not in pids(service)
    assert "naruto/work/loop.py" not in service.log  # the traceback is the user's alone
    assert shown(service)["state"] == "running"


def test_the_rest_after_errors_grows(new_service: NewService) -> None:
    """The first failed loop is followed by a rest of 1 s, and a message ends it at once."""
    service = new_service(_class(ERRORS.format("", ""))).start("shop:Orders")
    service.wait_for("on_error", count=2)
    [worker] = crew(service)
    assert worker["errors"] == 2
    times = [line[11:23] for line in service.lines if "on_error" in line]
    first, second = (
        sum(float(n) * f for n, f in zip(t.split(":"), (3600, 60, 1), strict=True))
        for t in times
    )
    assert (second - first) % 86400 >= 0.99
    assert ask(service, "stop")["status"] == 0
    service.wait_for("on_stop stop")


def test_on_error_that_raises_means_leave(new_service: NewService) -> None:
    """The worker leaves at once, both tracebacks in the log, and is replaced."""
    service = new_service(_class(ERRORS.format("", "raise KeyError('not again')")))
    service.start("shop:Orders")
    service.wait_for("OSError: no such table")
    service.wait_for("on_error raised: leaving")
    service.wait_for("KeyError: 'not again'")
    service.wait_for("on_stop error")
    service.wait_for("ended with exit status 1")
    assert shown(service)["state"] == "running"


def test_sys_exit_ends_the_worker_alone(new_service: NewService) -> None:
    """sys.exit(3) in business() is a worker's end with status 3, after on_stop."""
    body = """
def business(self):
    sys.exit(3)

def on_stop(self, reason):
    print("on_stop", reason)
"""
    service = new_service(_class(body)).start("shop:Orders")
    service.wait_for("on_stop error")
    service.wait_for(r"default-0\.\d+ .*ended with exit status 3")
    service.wait_for("default-0 is tried again in 0.")
    assert shown(service)["state"] == "running"


def test_hooks_in_order_without_super(new_service: NewService) -> None:
    """__init__ needs no super(); __init__, on_start, business and on_stop follow in order."""
    body = """
interval = "10ms"

def __init__(self):
    print("hook 1", self.index, self.workers, self.group, self.generation, self.name, self.kind)

def on_start(self):
    print("hook 2")

def business(self):
    print("hook 3", self.pipe, self.pid == os.getpid())

def on_stop(self, reason):
    print("hook 4", reason, self.exit_flag)
"""
    service = new_service(_class(body)).start("shop:Orders", "--name", "till")
    service.wait_for("hook 3")
    ask(service, "quit")
    assert service.wait() == 0
    said = re.findall(r"hook (.*)$", service.log, re.MULTILINE)
    assert said[0] == "1 0 1 default 1 till worker"
    assert said[1] == "2"
    assert re.fullmatch(rf"3 {service.run_dir}/default-0\.\d+\.pipe True", said[2])
    assert said[-1] == "4 quit True"


def test_the_index_is_stable(new_service: NewService) -> None:
    """A replacement takes over the index of the worker that was killed."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "3")
    killed = next(worker for worker in crew(service) if worker["index"] == 1)
    service.signal("KILL", killed["pid"])
    service.wait_for(f"pid {killed['pid']}.*ended with signal KILL")
    service.wait_for("started 1 of generation 1", count=2)
    after = crew(service)
    assert [worker["index"] for worker in after] == [0, 1, 2]
    assert after[1]["serial"] > killed["serial"]


ASKS = """
interval = "1h"  # who knows that he is to leave doesn't rest first
max_interval = "1h"

def business(self):
    print("asked before", self.exit_flag, self.time_left())
    {}
    left = self.time_left()
    print("asked after", self.exit_flag, left and 0 < left <= 20)
"""


@pytest.mark.parametrize("wait", ["self.sleep(3600)", "while not self.exit_flag: pass"])
@pytest.mark.parametrize(("verb", "left"), [("stop", "True"), ("quit", "None")])
def test_asked_in_the_middle_of_a_loop(
    new_service: NewService, wait: str, verb: str, left: str
) -> None:
    """sleep() ends early, exit_flag and time_left() know, all in a loop that goes on."""
    service = new_service(_class(ASKS.format(wait)))
    service.start("shop:Orders", "--stop-timeout", "20s")
    service.wait_for("asked before False None")
    assert ask(service, verb)["status"] == 0
    service.wait_for(f"asked after True {left}")


def test_sleep_to_its_end(new_service: NewService) -> None:
    """sleep() returns False when its time is over, and True when told to leave."""
    body = """
interval = 0

def business(self):
    print("slept", self.sleep(0.05), self.sleep(0))
    print("woken", self.sleep(3600))
"""
    service = new_service(_class(body)).start("shop:Orders")
    service.wait_for("slept False False")
    service.echo("reload\n", next(service.run_dir.glob("default-0.*")).name)
    service.wait_for("woken True")


def test_wake_on_ends_a_rest(new_service: NewService) -> None:
    """A socket that becomes readable ends a rest of an hour; a closed one is reported."""
    body = """
interval = "1h"
max_interval = "1h"

def on_start(self):
    self.mine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    self.mine.bind("wake")
    self.watched = self.mine

def wake_on(self):
    return self.watched

def business(self):
    self.mine.setblocking(False)
    try:
        said = self.mine.recv(100).decode()
    except BlockingIOError:
        said = "nothing"
    print("heard", said)
    if said == "close":
        self.watched = os.dup(self.mine.fileno())
        os.close(self.watched)
"""
    service = new_service(_class(body)).start("shop:Orders")
    service.wait_for("heard nothing")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for said in ("one", "two", "close"):
            sender.sendto(said.encode(), str(service.home / "wake"))
            service.wait_for(f"heard {said}")
    service.wait_for(r"wake_on\(\) returned descriptor \d+, which is closed")
    assert service.log.count("heard") == 4
    assert ask(service, "stop")["status"] == 0


def test_working_on_is_shown(new_service: NewService) -> None:
    """Status shows what a loop works on and how long; between loops it shows nothing."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders")
        service.wait_for("begin")
        [busy] = crew(service)
        assert (busy["state"], busy["working_on"]) == ("looping", "order of 0")
        assert busy["loop_age"] >= 0
        service.signal("KILL", busy["pid"])
        service.wait_for(r"ended with signal KILL in a loop for .* s, working on order of 0")
        gate.open()


def test_on_stop_that_hangs(new_service: NewService) -> None:
    """on_stop has stop_timeout, and is killed then; no loop was cut, so the status is 0."""
    body = """
interval = "10ms"

def business(self):
    pass

def on_stop(self, reason):
    print("hangs")
    time.sleep(3600)
"""
    service = new_service(_class(body)).start("shop:Orders", "--stop-timeout", "300ms")
    service.echo("quit\n")
    assert service.wait() == 0
    service.wait_for("hangs")
    service.wait_for(r"was killed \(was still in on_stop after stop_timeout \(0.3 s\)\)")
    assert not service.alive()


def test_a_callable(new_service: NewService) -> None:
    """A plain function is a target, also one that is an attribute of something."""
    source = """
        class Till:
            def poll(self):
                print("polled")

        till = Till()
    """
    service = new_service({"shop.py": source}).start("shop:till.poll", "--interval", "10ms")
    service.wait_for("polled", count=3)
    assert ask(service, "quit")["status"] == 0


ASYNC = """
interval = "{}"
max_interval = "1h"

async def on_start(self):
    self.beats = 0
    self.task = asyncio.create_task(self.beat())
    print("started")

async def beat(self):
    try:
        while True:
            await asyncio.sleep(0.01)
            self.beats += 1
            if self.beats == 5:
                print("five beats")
    except asyncio.CancelledError:
        print("task cancelled")
        raise

async def business(self):
    {}

async def on_stop(self, reason):
    print("on_stop", reason, "cancelled" if self.task.done() else "task alive")
    await asyncio.sleep(0.01)
    print("on_stop over")
"""


def test_async_rests_in_its_event_loop(new_service: NewService) -> None:
    """A task lives between loops; a message ends the rest; nothing is cancelled too early."""
    service = new_service(_class(ASYNC.format("1h", "print('loop at', self.beats)"))).start(
        "shop:Orders"
    )
    service.wait_for("loop at 0")
    service.wait_for("five beats")
    assert service.log.count("loop at") == 1
    assert ask(service, "reload")["status"] == 0
    service.wait_for("on_stop reload task alive")
    service.wait_for("on_stop over")
    service.wait_for("task cancelled")
    order = [
        line.split("] ")[1].strip()
        for line in service.lines
        if "] on_stop" in line or "cancelled" in line
    ]
    assert order == ["on_stop reload task alive", "on_stop over", "task cancelled"]


def test_async_sleep_and_true(new_service: NewService) -> None:
    """A sleep that is awaited ends early when told; loops that return True starve no task."""
    then = """
    if self.beats < 5:
        return True
    print("sleeps")
    print("slept", await self.sleep(3600))
"""
    body = ASYNC.format("1h", then.strip())
    service = new_service(_class(body)).start("shop:Orders")
    service.wait_for("five beats")
    service.wait_for("sleeps")
    ask(service, "stop")
    service.wait_for("slept True")
    service.wait_for("on_stop stop task alive")
    assert service.wait() == 0


def test_async_errors_and_wake_on(new_service: NewService) -> None:
    """An async worker has the same errors, the same wake_on and the same calls."""
    body = """
interval = "1h"
max_interval = "1h"

def wake_on(self):
    return self.ours

async def on_start(self):
    self.ours, self.theirs = socket.socketpair()
    asyncio.get_running_loop().call_later(0.05, self.theirs.send, b"x")

async def business(self):
    if self.ours.recv(1, socket.MSG_DONTWAIT):
        raise OSError("woken")

async def on_error(self, error):
    print("on_error", repr(error))
    if "woken" in str(error):
        raise error
"""
    service = new_service(_class(body)).start("shop:Orders")
    service.wait_for("on_error BlockingIOError")
    service.wait_for(r"on_error OSError\('woken'\)")
    service.wait_for("on_error raised: leaving")
    service.wait_for("ended with exit status 1")


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
    service = new_service(_class(body))
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
        gate.let(2)
        wait_gone(first)
        again.wait_for("begin 0")
        assert len(list(again.run_dir.glob("default-*.pipe"))) == 2
        gate.open()
        assert ask(again, "stop")["status"] == 0
        assert again.wait() == 0
    service.wait_for("stopped 0 of generation 1: orphaned")
    assert not again.run_dir.exists()
