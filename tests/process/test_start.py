"""A start is all at once: every worker READY, or nothing of it left; and Ctrl-C at any time."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.conftest import NewService
from tests.process.stage import QUICK, Gate, ask, crew, shown, tell
from tests.service import MARK, PATIENCE, Service, eventually

WAITS = """
    import os
    from naruto import WorkerProcess

    print("imported")

    class Orders(WorkerProcess):
        def on_start(self):
            print(f"waits {self.index}")
            os.read(os.open("gate", os.O_RDONLY), 1)
            print(f"ready {self.index}")

        def business(self):
            print("begin")

        def on_stop(self, reason):
            print(f"stopped {self.index}: {reason}")
"""
"""A worker whose on_start waits at a gate."""

FAILS = {
    "import": ("raise OSError('no such disk')\n", "OSError: no such disk"),
    "on_start": (
        QUICK.replace('print(f"started', "raise OSError('no db') #"),
        "OSError: no db",
    ),
    "sys.exit": (QUICK.replace('print(f"started', "raise SystemExit(4) #"), r"sys.exit\(4\)"),
    "killed": (
        QUICK.replace('print(f"started', "import os; os.kill(os.getpid(), 9) #"),
        "signal KILL",
    ),
    "__init__": (
        QUICK.replace("def on_start(self)", "def __init__(self)").replace(
            'print(f"started', "raise OSError('no luck') #"
        ),
        "OSError: no luck",
    ),
    "no module": ("import no_such_module\n", "No module named 'no_such_module'"),
}
"""What may go wrong before READY, and what is said of it."""


def _nothing_is_left(service: Service) -> None:
    assert not service.alive()
    assert not service.run_dir.exists()


@pytest.mark.parametrize("why", FAILS)
def test_a_worker_that_dies_before_ready(new_service: NewService, why: str) -> None:
    """It ends the start with 1 and its traceback; no process and no file stays."""
    source, says = FAILS[why]
    service = new_service({"shop.py": source})
    service.start("shop:Orders", "--workers", "3", wait_until="start failed: worker default-")
    assert service.wait() == 1
    service.wait_for(f"^(naruto: )?.*{says}")
    assert " is up" not in service.log
    _nothing_is_left(service)


@pytest.mark.parametrize("target", ["shop:Order", "shops:Orders", "shop:Orders.more"])
def test_a_target_that_is_not_there(new_service: NewService, target: str) -> None:
    """It is named with what was looked for and where; the start fails."""
    service = new_service({"shop.py": QUICK})
    service.start(target, wait_until=f"target {target}: no ")
    assert service.wait() in (1, 2)
    _nothing_is_left(service)


def test_one_of_many_fails(new_service: NewService) -> None:
    """The one that can't start ends the start of all: those that can run no loop."""
    source = QUICK.replace('print(f"started', 'assert self.index != 1, "odd"; print(f"started')
    service = new_service({"shop.py": source})
    service.start("shop:Orders", "--workers", "3", wait_until="start failed: worker default-1.")
    assert service.wait() == 1
    service.wait_for("AssertionError: odd")
    _nothing_is_left(service)


def test_start_timeout(new_service: NewService) -> None:
    """Who isn't READY in time is killed, and the start has failed: exit 1, nothing left."""
    service = new_service({"shop.py": WAITS})
    with Gate(service.home / "gate"):
        service.start("shop:Orders", "--start-timeout", "300ms", wait_until="waits 0")
        assert service.wait() == 1
    service.wait_for(r"was killed \(was not READY within start_timeout \(0.3 s\)\)")
    _nothing_is_left(service)


@pytest.mark.parametrize("verb", ["stop", "quit"])
def test_a_stop_pre_empts_a_start(new_service: NewService, verb: str) -> None:
    """Told before they are READY, workers end on_start, run no loop, and run on_stop."""
    service = new_service({"shop.py": WAITS})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2", wait_until="waits 0")
        service.wait_for("waits 1")
        assert shown(service)["state"] == "starting"
        tell(service, verb)
        service.wait_for(f"{verb} asked for by")
        assert [worker["told"] for worker in crew(service)] == [verb, verb]
        gate.open()
        assert service.wait() == 0
    service.wait_for("ready .$", count=2)
    service.wait_for(f"stopped .: {verb}", count=2)
    assert "begin" not in service.log and " is up" not in service.log
    _nothing_is_left(service)


def test_stop_now_pre_empts_a_start(new_service: NewService) -> None:
    """``stop --now`` doesn't wait for an on_start; no loop was cut, so the status is 0."""
    service = new_service({"shop.py": WAITS})
    with Gate(service.home / "gate"):
        service.start("shop:Orders", "--workers", "2", wait_until="waits 0")
        assert ask(service, "stop", now=True)["status"] == 0
        assert service.wait() == 0
    _nothing_is_left(service)


def test_a_reload_during_a_start_follows_it(new_service: NewService) -> None:
    """Asked for too early, a reload runs when the service is up."""
    service = new_service({"shop.py": WAITS})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", wait_until="waits 0")
        tell(service, "reload")
        service.wait_for("reload asked for")
        gate.open()
        service.wait_for("reloaded: 1 workers run generation 2")


def test_an_interrupt_while_workers_start(new_service: NewService) -> None:
    """Ctrl-C before READY is a stop: on_start ends, no loop, no traceback, nothing left."""
    service = new_service({"shop.py": WAITS})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2", wait_until="waits 1")
        service.signal("INT")
        service.wait_for("stop asked for by SIGINT")
        gate.open()
        assert service.wait() == 0
    assert "Traceback" not in service.log and "begin" not in service.log
    _nothing_is_left(service)


AFTER_CALLS = """
import os, runpy, signal, sys

which, after, me = int(sys.argv[1]), int(sys.argv[2]), os.getpid()
calls = 0

def count(frame, event, arg):
    global calls
    if calls or frame.f_code.co_name == "main":  # naruto's own: before it nothing is ours
        calls += 1
    if calls == after and os.getpid() == me:
        os.killpg(0, which)

sys.argv[:] = ["naruto", *sys.argv[3:]]
sys.setprofile(count)
try:
    runpy.run_module("naruto", run_name="__main__")
finally:
    sys.setprofile(None)
    if os.getpid() == me:
        print("calls", calls)
"""
"""Runs naruto and signals its process group at one exact function call of it."""

MOMENTS = [0, 10, 50, 80, 85, 88, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99]
"""In percent of all calls from main() to the end: through imports, settings, forks."""


def _start_with_signal(service: Service, number: int, after: int) -> None:
    program = [
        sys.executable,
        "after_calls.py",
        str(number),
        str(after),
        "start",
        "shop:Orders",
    ]
    args = ("--workers", "2", "--run-dir", str(service.run_dir))
    service.run([*program, *args], "", own_session=True)


@pytest.fixture(scope="module")
def all_calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many calls a start and a stop take."""
    files = {"shop.py": QUICK, "after_calls.py": AFTER_CALLS}
    service = Service(tmp_path_factory.mktemp("home"), files)
    try:
        _start_with_signal(service, 0, 0)
        service.wait_for(" is up: ")
        service.signal("INT")
        return int(service.wait_for(r"^calls \d+$").split()[1])
    finally:
        service.close()


@pytest.mark.parametrize("name", ["INT", "TERM"])
@pytest.mark.parametrize("percent", MOMENTS)
def test_a_signal_at_any_moment_of_a_start(
    new_service: NewService, all_calls: int, percent: int, name: str
) -> None:
    """A clean end, no traceback and nothing left, however early Ctrl-C or TERM comes."""
    number = int(getattr(signal, f"SIG{name}"))
    service = new_service({"shop.py": QUICK, "after_calls.py": AFTER_CALLS})
    _start_with_signal(service, number, 1 + all_calls * percent // 100)
    try:
        service.wait_for(" is up: ")  # then it is no moment of the start any more
        service.signal(name)
    except (AssertionError, OSError):
        pass  # it has ended, or is about to
    assert service.wait() in (0, 130, -number), service.log
    assert "Traceback" not in service.log
    _nothing_is_left(service)


def test_a_second_start_is_refused(new_service: NewService) -> None:
    """It exits 4 and names the pid that runs; the first one notices nothing."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders")
    second = service.naruto("start", "shop:Orders", "--run-dir", str(service.run_dir))
    assert second.returncode == 4
    assert f"as pid {service.pid}" in second.stderr
    assert shown(service)["state"] == "running"


def test_of_many_starts_one_wins(new_service: NewService) -> None:
    """Of four starts at one moment exactly one runs, the others exit 4."""
    service = new_service({"shop.py": QUICK})
    command = ("start", "shop:Orders", "--run-dir", str(service.run_dir))
    starts = [service.background(*command) for _ in range(4)]

    def one_left() -> None:
        assert [start.poll() for start in starts].count(None) == 1

    eventually(one_left)
    assert sorted(start.poll() or 0 for start in starts) == [0, 4, 4, 4]
    [winner] = [start for start in starts if start.poll() is None]

    def up() -> None:
        assert (service.run_dir / "master.pid").read_text() == f"{winner.pid}\n"
        assert service.pipe().exists()

    eventually(up)
    tell(service, "stop")
    for start in starts:
        start.communicate(timeout=PATIENCE)
    assert winner.returncode == 0
    _nothing_is_left(service)


def test_the_mark_reaches_everybody(new_service: NewService) -> None:
    """The harness itself: every process of a service carries its mark, so none can hide."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    assert service.alive() == {service.pid, *(w["pid"] for w in crew(service))}
    assert service.environ[MARK] == service.mark
