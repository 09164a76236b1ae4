"""Faults of the machine: the master warns, stays responsive, and recovers when they go."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from naruto.client import Client
from tests.conftest import NewService
from tests.process.kin import children
from tests.process.stage import GATED, QUICK, Gate, ask, crew, pids, program, shown, tell
from tests.service import Service, eventually

NO_FORK = "could not be spawned: fork: "
USER = 59_843
"""A user who has no other processes, so that a limit of processes is one of the service's."""


@pytest.fixture
def service_of_a_user() -> Iterator[Service]:
    """Return a service whose user is bound by RLIMIT_NPROC, as root is not (setrlimit(2))."""
    home = Path(tempfile.mkdtemp(prefix="naruto-test-"))
    service = Service(home, {"shop.py": QUICK})
    if os.geteuid() == 0:
        os.chown(home, USER, USER)
    try:
        yield service
    finally:
        service.close()
        shutil.rmtree(home)


def _as_user() -> list[str]:
    """Return what makes a command run as another user, where we are root."""
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    return drop if os.geteuid() == 0 else []


def _start_as_user(service: Service, *options: str) -> None:
    naruto = [*_as_user(), sys.executable, "-m", "naruto"]
    try:
        subprocess.run([*naruto, "--version"], cwd="/", check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"another user can't run this interpreter: {error}")
    service.run([*naruto, "start", "shop:Orders", "--run-dir", str(service.run_dir), *options])


def _limit_processes(service: Service, soft: int) -> None:
    """Set the soft limit of a master's processes; who isn't its user may not (prlimit(2))."""
    shown = "unlimited" if soft == resource.RLIM_INFINITY else soft
    subprocess.run(
        [*_as_user(), "prlimit", f"--pid={service.pid}", f"--nproc={shown}:"], check=True
    )


def _limit(pid: int, which: int, soft: int) -> int:
    """Set a soft limit of another process; return what it was."""
    before, hard = resource.prlimit(pid, which)
    resource.prlimit(pid, which, (soft, hard))
    return before


def _failures(service: Service, group: int = 0) -> list[int]:
    return [failing["failures"] for failing in shown(service)["groups"][group]["failing"]]


def test_fork_fails(service_of_a_user: Service) -> None:
    """At the limit of processes: one warning, answers all the while, then full strength."""
    service = service_of_a_user
    _start_as_user(service, "--workers", "4", "--min-uptime", "1ms")
    _limit_processes(service, 1)
    killed = [worker["pid"] for worker in crew(service)[:3]]
    for pid in killed:
        service.signal("KILL", pid)

    def failing_again() -> None:
        failures = _failures(service)
        assert len(failures) == 3 and min(failures) >= 2

    eventually(failing_again)
    assert shown(service)["groups"][0]["state"] == "failing"
    assert len(pids(service)) == 1
    assert service.log.count(NO_FORK) == 1
    answer = ask(service, "reload")
    assert answer["status"] == 1 and "fork" in answer["text"]
    assert len(pids(service)) == 1
    _limit_processes(service, resource.getrlimit(resource.RLIMIT_NPROC)[0])
    eventually(lambda: _assert_whole(service, 4))
    assert not set(killed) & pids(service)
    assert ask(service, "reload")["status"] == 0
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert "CRITICAL" not in service.log


def _assert_whole(service: Service, workers: int) -> None:
    known = pids(service)
    assert len(known) == workers and 0 not in known
    assert known == set(children(service.pid))
    assert len(list(service.run_dir.glob("default-*.pipe"))) == workers
    assert not _failures(service)


def test_fork_fails_and_a_stop_comes(service_of_a_user: Service) -> None:
    """A stop needs no fork."""
    service = service_of_a_user
    _start_as_user(service, "--workers", "2")
    _limit_processes(service, 1)
    service.signal("KILL", crew(service)[0]["pid"])
    service.wait_for(NO_FORK)
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert not service.alive() and not service.run_dir.exists()


def _pipe_descriptor(service: Service, worker: dict[str, int]) -> int:
    """Return the number that a worker's pipe has in the master."""
    name = f"default-{worker['index']}.{worker['serial']}.pipe"
    for fd in os.listdir(f"/proc/{service.pid}/fd"):
        if os.readlink(f"/proc/{service.pid}/fd/{fd}").endswith(name):
            return int(fd)
    raise AssertionError(f"{name} is not open")


def _first_free(service: Service, worker: dict[str, int]) -> int:
    """Return the first number that is free in the master once a worker's pipe is closed."""
    used = {int(name) for name in os.listdir(f"/proc/{service.pid}/fd")}
    used.remove(_pipe_descriptor(service, worker))
    return min(set(range(max(used) + 2)) - used)


@pytest.mark.parametrize("left", [1, 0])
def test_descriptors_run_out(new_service: NewService, left: int) -> None:
    """With one descriptor left, or none, a dead worker waits; status and stop do not."""
    service = new_service({"shop.py": QUICK})
    service.start("shop:Orders", "--workers", "3", "--min-uptime", "1ms")
    one = crew(service)[1]
    limit = _pipe_descriptor(service, one) + 1 if left else _first_free(service, one)
    before = _limit(service.pid, resource.RLIMIT_NOFILE, limit)
    service.signal("KILL", one["pid"])
    service.wait_for(r"default-1\.\d+ could not be spawned: Too many open files")
    assert Client.of(str(service.run_dir), "it").ask("status", timeout=3)["status"] == 0

    def failing_again() -> None:
        assert min(_failures(service)) >= 2

    eventually(failing_again)
    assert service.log.count("could not be spawned") == 1
    assert len(pids(service)) == 2
    _limit(service.pid, resource.RLIMIT_NOFILE, before)
    eventually(lambda: _assert_whole(service, 3))
    assert "CRITICAL" not in service.log
    assert ask(service, "reload")["status"] == 0
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0


def test_no_descriptor_left_and_a_stop_comes(new_service: NewService) -> None:
    """A stop, by signal or by a line, needs no descriptor."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    one = crew(service)[0]
    _limit(service.pid, resource.RLIMIT_NOFILE, _first_free(service, one))
    service.signal("KILL", one["pid"])
    service.wait_for("could not be spawned")
    service.echo("stop\n")
    assert service.wait() == 0
    assert not service.alive() and not service.run_dir.exists()


def test_a_full_disk(new_service: NewService) -> None:
    """A log that takes nothing stops neither workers nor master, and no loop is cut."""
    service = new_service({"shop.py": QUICK})
    log = ("--log-file", "/dev/full", "--log-level", "debug")
    service.start("shop:Orders", "--workers", "2", *log, wait_until="")
    eventually(lambda: _running(service))
    for pid in pids(service):
        service.signal("URG", pid)
    before = pids(service)
    assert ask(service, "reload")["status"] == 0
    assert not before & pids(service)
    service.signal("KILL", crew(service)[0]["pid"])
    eventually(lambda: _assert_whole(service, 2))
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert not service.run_dir.exists()


def _running(service: Service) -> None:
    assert service.command("status").returncode == 0
    assert shown(service)["state"] == "running"


def test_a_vanished_log(new_service: NewService) -> None:
    """With the log's directory gone everything goes on; when it's back, so is the log."""
    service = new_service({"shop.py": QUICK})
    log = service.home / "logs" / "shop.log"
    log.parent.mkdir()
    service.start("shop:Orders", "--workers", "2", "--log-file", str(log), wait_until="")
    eventually(lambda: _running(service))
    assert "is up" in log.read_text()
    shutil.rmtree(log.parent)
    assert ask(service, "reload")["status"] == 0
    assert len(pids(service)) == 2
    assert not log.parent.exists()
    log.parent.mkdir()
    assert ask(service, "reload")["status"] == 0
    text = log.read_text()
    assert "reloaded: 2 workers run generation 3" in text
    assert re.search(r"default-0\[\d+\] started 0 of generation 3", text)
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0


def test_thousands_of_signals(new_service: NewService) -> None:
    """5,000 times USR1 while a reload is under way: status answers, one more reload follows."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2")
        service.wait_for("begin", count=2)
        service.signal("USR1")
        service.wait_for("reload to generation 2 begins")
        for number in range(5000):
            service.signal("USR1")
            if number % 1000 == 0:
                assert shown(service)["state"] == "reloading"
        gate.open()
        service.wait_for("reloaded: 2 workers run generation 3")
    assert shown(service)["state"] == "running"
    assert {w["generation"] for w in crew(service)} == {3}
    assert ask(service, "stop")["status"] == 0
    assert service.log.count("reloaded:") == 2
    assert service.log.count("begin ") == service.log.count("end ")


ORPHANS = """
interval = "1h"

def business(self):
    if os.path.exists("done"):
        return
    pid = os.fork()
    if pid == 0:
        for _ in range(2000):
            if os.fork() == 0:
                os._exit(0)
        os.read(os.open("gate", os.O_RDONLY), 1)
        os._exit(0)
    print("has forked", pid)
    os.waitpid(pid, 0)
    os.mkdir("done")
    print("done")
"""


def test_a_storm_of_children(new_service: NewService) -> None:
    """2,000 dead orphans at once: all are reaped, status answers, no death is lost."""
    service = new_service(program(ORPHANS))
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders")
        parent = int(service.wait_for("has forked").rpartition(" ")[2])
        eventually(lambda: _waits(parent))
        gate.open()
        tell(service, "status")
        assert shown(service)["state"] == "running"
        service.wait_for("done")
    killed = crew(service)[0]["pid"]
    service.signal("KILL", killed)

    def settled() -> None:
        assert killed not in pids(service)
        titles = [title for pid, title in children(service.pid).items()]
        assert len(titles) >= 1 and all(titles)  # a zombie has none

    eventually(settled)
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert not service.alive()


def _waits(pid: int) -> None:
    """See that a process has forked all its children, and all are dead."""
    titles = list(children(pid).values())
    assert len(titles) == 2000 and not any(titles)


@pytest.mark.parametrize("size", [4096, 4097])
def test_the_longest_line(new_service: NewService, size: int) -> None:
    """4,096 bytes are a message, to the master and to a worker; one more is skipped."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    [worker] = [w for w in crew(service) if w["index"] == 1]
    worker_pipe = f"default-1.{worker['serial']}.pipe"
    for verb, pipe in (("reload", worker_pipe), ("reload", "master.pipe")):
        line = f'{verb} {{"by": "{"x" * 5000}"}}\n'
        line = line.replace("x" * 5000, "x" * (size - len(line) + 5000))
        assert len(line) == size
        service.echo(line, pipe)
    if size > 4096:
        service.wait_for(r"default-1\[\d+\] line in .* skipped: longer than 4095 bytes")
        service.wait_for(r"master\[\d+\] line in master.pipe skipped: longer than 4095 bytes")
        assert {w["generation"] for w in crew(service)} == {1}
        assert worker["pid"] in pids(service)
    else:
        service.wait_for("stopped 1 of generation 1: reload")
        service.wait_for("reloaded: 2 workers run generation 2")
        assert "skipped" not in service.log


def _unshare(*offsets: str) -> list[str]:
    """Return a command that runs another in a time namespace (time_namespaces(7))."""
    command = ["unshare", "--time", *offsets]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare")
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no time namespaces here")
    return command


@pytest.mark.parametrize(
    "offsets",
    [("--boottime", "90000000", "--monotonic", "90000000"), ("--boottime", "-100")],
    ids=["years later", "earlier"],
)
def test_another_boot_clock(new_service: NewService, offsets: tuple[str, ...]) -> None:
    """A start where the clock since boot is another works, beside a former master's worker.

    The wall clock is nowhere looked at but for the log; it can't be set for a test alone.
    """
    command = _unshare(*offsets)
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2")
        service.wait_for("begin", count=2)
        former = {worker["serial"] for worker in crew(service)}
        os.kill(service.pid, signal.SIGKILL)
        service.wait()
        again = Service(service.home)
        again.mark = service.mark
        naruto = [sys.executable, "-m", "naruto", "start", "shop:Orders", "--workers", "2"]
        again.run([*command, *naruto, "--run-dir", str(service.run_dir)])
        assert min(w["serial"] for w in crew(again)) > max(former)
        gate.open()
        again.wait_for("begin", count=2)
        assert ask(again, "reload")["status"] == 0
        assert ask(again, "stop")["status"] == 0
        assert again.wait() == 0
    assert not service.alive() and not again.run_dir.exists()
