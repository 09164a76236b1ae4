"""Signals to a master: each does what its row of the table says, and none cuts a loop."""

from __future__ import annotations

import getpass
import os
import pty
import re
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from tests.conftest import NewService
from tests.process.stage import GATED, QUICK, Gate, ask, crew, pids, shown, signals, text_status
from tests.service import Service

ME = f"from pid {os.getpid()} of user {getpass.getuser()}"

ON_TERMINAL = """
import os, sys
os.setsid()
os.close(os.open(sys.argv[1], os.O_RDWR))  # the terminal of this session from now on
os.execv(sys.executable, [sys.executable, "-m", "naruto", *sys.argv[2:]])
"""


@pytest.fixture
def terminal() -> Iterator[list[int]]:
    """Return both ends of a terminal: the screen's side first."""
    ends = list(pty.openpty())
    yield ends
    for fd in ends:
        os.close(fd)


@pytest.mark.parametrize("name", ["USR1", "HUP"])
def test_reloads(new_service: NewService, name: str) -> None:
    """USR1 and HUP replace every worker, and the log says who sent the signal."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    before = pids(service)
    service.signal(name)
    service.wait_for(f"reload asked for by SIG{name} {ME}")
    service.wait_for("reloaded: 2 workers run generation 2")
    after = pids(service)
    assert len(after) == 2 and not before & after
    service.wait_for("stopped . of generation 1: reload", count=2)


@pytest.mark.parametrize(
    ("name", "verb"), [("USR2", "quit"), ("QUIT", "quit"), ("TERM", "stop"), ("INT", "stop")]
)
def test_ends_after_the_loop(new_service: NewService, name: str, verb: str) -> None:
    """USR2, QUIT, TERM and INT let every loop end; then the master ends with 0."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2")
        service.wait_for("begin", count=2)
        service.signal(name)
        service.wait_for(f"{verb} asked for by SIG{name} {ME}")
        told = crew(service)
        gate.open()
        assert service.wait() == 0
    assert [worker["told"] for worker in told] == [verb, verb]
    for index in (0, 1):
        service.wait_for(f"end {index} of generation 1")
        service.wait_for(f"stopped {index} of generation 1: {verb}")
    assert not service.alive()
    assert not service.run_dir.exists()


def test_stop_kills_and_names_who_is_late(new_service: NewService) -> None:
    """A loop that lasts beyond stop_timeout is killed: status 1, and the log names it all."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate"):
        service.start("shop:Orders", "--workers", "2", "--stop-timeout", "300ms")
        service.wait_for("begin", count=2)
        service.signal("TERM")
        assert service.wait() == 1
    for index in (0, 1):
        line = service.wait_for(rf"default-{index}\.\d+ \(pid \d+.*was killed")
        assert f"working on order of {index}" in line
        assert re.search(r"in a loop for \d+\.\d s", line)
    assert not service.alive()


def test_a_second_int_within_a_second_is_the_same_key_press(new_service: NewService) -> None:
    """A wrapper and the terminal may both deliver one Ctrl-C: the loops still end."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders")
        service.wait_for("begin")
        service.signal("INT")
        service.wait_for("stop asked for by SIGINT")
        service.signal("INT")
        service.signal("USR2")  # taken after INT, so its line says that INT was decided
        service.wait_for("quit asked for by SIGUSR2")
        gate.open()
        assert service.wait() == 0
    service.wait_for("end 0")


def test_a_second_int_later_stops_now(new_service: NewService) -> None:
    """An impatient Ctrl-C kills at once: status 1, the log naming worker, work and time."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate"):
        service.start("shop:Orders", "--stop-timeout", "none")
        service.wait_for("begin")
        service.signal("INT")
        service.wait_for("stop asked for by SIGINT")
        time.sleep(1.05)  # the rule itself is about time
        service.signal("INT")
        service.wait_for(f"stop --now asked for by SIGINT {ME}")
        assert service.wait() == 1
    line = service.wait_for(r"was killed \(stop --now\)")
    assert "default-0." in line and "order of 0" in line and "in a loop for" in line
    assert not service.alive()


def test_an_ignored_hup_stays_ignored(new_service: NewService) -> None:
    """Under nohup a hangup does nothing, to the master as to its workers."""
    service = new_service({"shop.py": QUICK})
    start = f"exec {sys.executable} -m naruto start shop:Orders --run-dir {service.run_dir}"
    service.run(["sh", "-c", f"trap '' HUP; {start}"])
    service.signal("HUP")
    for pid in (service.pid, *pids(service)):
        assert signal.SIGHUP in signals(text_status(pid)["SigIgn"])
    service.signal("USR1")
    service.wait_for("reloaded: .* generation 2")
    assert "SIGHUP" not in service.log
    assert shown(service)["state"] == "running"


def test_stop_wins_over_quit_and_quit_over_reload(new_service: NewService) -> None:
    """A stop during a quit during a reload: the reload is called off, the stop counts."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2")
        service.wait_for("begin", count=2)
        reload = service.background("reload", "--run-dir", str(service.run_dir))
        service.wait_for("reload to generation 2 begins")
        service.signal("USR2")
        service.wait_for("quit asked for")
        service.signal("TERM")
        service.wait_for("stop asked for")
        service.signal("USR2")  # weaker: changes nothing
        service.signal("USR1")
        shown(service)  # answered when everybody has been told: the line is logged before
        gate.open()
        assert service.wait() == 0
    _, complaint = reload.communicate()
    assert reload.returncode == 1
    assert "called off" in complaint
    assert service.log.count("of generation 1: stop") == 2
    assert "begin . of generation 2" not in service.log
    assert not service.alive()


def test_a_hundred_reloads_during_one_make_exactly_one_more(new_service: NewService) -> None:
    """However many ask while a reload runs, by signal or by message: one more follows."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders")
        service.wait_for("begin")
        service.echo("reload\n")
        service.wait_for("reload to generation 2 begins")
        for _ in range(100):
            service.signal("USR1")
            service.echo("reload\n")
        shown(service)  # answered after all of them were heard
        gate.open()
        service.wait_for("reloaded: 1 workers run generation 3")
        after = shown(service)
    assert after["state"] == "running"
    assert after["groups"][0]["generation"] == 3
    assert ask(service, "reload")["text"] == "reloaded: 1 workers run generation 4"


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_a_signal_to_everybody_cuts_nothing(new_service: NewService, name: str) -> None:
    """TERM or INT to the master's group, and to each worker as well, lets the loops end."""
    service = new_service({"shop.py": GATED})
    command = [sys.executable, "-m", "naruto", "start", "shop:Orders", "--workers", "2"]
    with Gate(service.home / "gate") as gate:
        service.run([*command, "--run-dir", str(service.run_dir)], own_session=True)
        service.wait_for("begin", count=2)
        workers = pids(service)
        os.killpg(service.pid, getattr(signal, f"SIG{name}"))
        for pid in workers:
            service.signal(name, pid)
        service.wait_for("stop asked for")
        gate.open()
        assert service.wait() == 0
    for index in (0, 1):
        service.wait_for(f"end {index}")
        service.wait_for(f"stopped {index} of generation 1: stop")


def test_no_signal_cuts_a_worker(new_service: NewService) -> None:
    """INT, HUP, QUIT, USR1, USR2, PIPE and what a terminal sends cut no loop."""
    service = new_service({"shop.py": GATED})
    names = ("INT", "HUP", "QUIT", "USR1", "USR2", "PIPE", "TTIN", "TTOU", "XFSZ", "URG")
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders")
        service.wait_for("begin")
        [worker] = pids(service)
        for name in names:
            service.signal(name, worker)
        gate.let(1)
        service.wait_for("end 0")
        service.wait_for("begin 0", count=2)
        assert pids(service) == {worker}, service.log
        service.signal("TERM", worker)
        gate.open()
        service.wait_for("stopped 0 of generation 1: stop")
        service.wait_for("begin 0", count=3)
        assert pids(service) != {worker}


def _start_on(terminal: list[int], service: Service) -> None:
    given = [os.ttyname(terminal[1]), "start", "shop:Orders", "--run-dir", str(service.run_dir)]
    service.run([sys.executable, "-c", ON_TERMINAL, *given])


def test_a_terminal_that_goes_away(new_service: NewService, terminal: list[int]) -> None:
    """``kill -HUP`` reloads a service on a terminal; the terminal's own end stops it."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        _start_on(terminal, service)
        service.wait_for("begin 0 of generation 1")
        service.signal("HUP")
        service.wait_for(f"reload asked for by SIGHUP {ME}")
        gate.let(1000)
        service.wait_for("reloaded: .* generation 2")
        os.close(terminal.pop(0))
        service.wait_for("stop asked for by SIGHUP from the kernel")
        gate.open()
        assert service.wait() == 0
    service.wait_for("stopped 0 of generation 2: stop")
    assert service.log.count("begin 0") == service.log.count("end 0")


@pytest.mark.parametrize(("key", "verb"), [(b"\x03", "stop"), (b"\x1c", "quit")])
def test_keys_of_a_terminal(
    new_service: NewService, terminal: list[int], key: bytes, verb: str
) -> None:
    r"""Ctrl-C and Ctrl-\ go to the whole foreground group, and cut nothing."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        _start_on(terminal, service)
        service.wait_for("begin 0 of generation 1")
        os.write(terminal[0], key)
        service.wait_for(f"{verb} asked for by SIG(INT|QUIT) from the kernel")
        gate.open()
        assert service.wait() == 0
    service.wait_for("end 0 of generation 1")
