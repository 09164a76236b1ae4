"""A worker's life as its user sees it: loops, rests, hooks, and being told to leave."""

from __future__ import annotations

import re
import socket

import pytest

from tests.conftest import NewService
from tests.process.stage import GATED, QUICK, Gate, ask, crew, program
from tests.service import Service, eventually


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
    service = new_service(program(body)).start("shop:Orders")
    service.wait_for("a thousand")

    def rests() -> None:
        [worker] = crew(service)
        assert (worker["state"], worker["loops"]) == ("resting", 1000)

    eventually(rests)


def test_none_rests_for_the_interval(new_service: NewService) -> None:
    """None rests for interval, give or take a tenth; no rest is shorter."""
    service = new_service(program(RESTS.format("return None"))).start("shop:Orders")
    service.wait_for(" rest ", count=4)
    assert all(rest >= 0.0899 for rest in _numbers(service, "rest"))


def test_false_rests_longer_each_time(new_service: NewService) -> None:
    """False doubles the rest up to max_interval, and anything else begins anew."""
    body = RESTS.format(
        "self.n = getattr(self, 'n', 0) + 1\n    return None if self.n == 5 else False"
    )
    service = new_service(program(body)).start("shop:Orders")
    service.wait_for(" rest ", count=6)
    least = [0.1, 0.2, 0.35, 0.35, 0.1, 0.1]
    rests = _numbers(service, "rest")[:6]
    assert all(rest >= 0.899 * low for rest, low in zip(rests, least, strict=True))
    assert rests[4] < rests[3]


def test_another_value_is_reported_once(new_service: NewService) -> None:
    """What means nothing is taken as None, and told once."""
    body = 'interval = "10ms"\n\ndef business(self):\n    print("looped")\n    return 1'
    service = new_service(program(body)).start("shop:Orders")
    service.wait_for("looped", count=4)
    assert service.log.count("business() returned 1;") == 1


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
    service = new_service(program(body)).start("shop:Orders", "--name", "till")
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
    service = new_service(program(ASKS.format(wait)))
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
    service = new_service(program(body)).start("shop:Orders")
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
    service = new_service(program(body)).start("shop:Orders")
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
    service = new_service(program(body)).start("shop:Orders", "--stop-timeout", "300ms")
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
