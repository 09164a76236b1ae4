"""Upgrade in place: another program goes on with the same workers, which do not notice."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.conftest import NewService
from tests.process.stage import GATED, QUICK, Gate, ask, crew, pids, shown, tell
from tests.process.test_promise import LEDGER, _check_ledger
from tests.service import Service, eventually, wait_gone


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often to go round."""
    number: int = request.config.getoption("--rounds")
    return number


def _descriptors(service: Service) -> int:
    return len(list(Path(f"/proc/{service.pid}/fd").iterdir()))


def test_upgrades_in_a_row(new_service: NewService, rounds: int) -> None:
    """Same master, same workers, no loop lost, no descriptor leaked; a reload goes on."""
    service = new_service({"shop.py": LEDGER})
    service.start("shop:Orders", "--workers", "8")
    master, workers = service.pid, pids(service)
    ask(service, "upgrade")
    descriptors = _descriptors(service)
    for number in range(rounds):
        reloading = number % 10 == 5
        if reloading:
            tell(service, "reload")
        answer = ask(service, "upgrade")
        assert answer["status"] == 0, answer
        if reloading:
            eventually(lambda: _rests(service))
            assert not pids(service) & workers
            workers = pids(service)
        assert service.pid == master == shown(service)["pid"]
        assert pids(service) == workers
    eventually(lambda: _has(service, descriptors))
    assert ask(service, "quit")["status"] == 0
    assert service.wait() == 0
    assert _check_ledger(service)["begin"] > 0
    assert "WARNING" not in service.log and "ERROR" not in service.log


def _rests(service: Service) -> None:
    assert shown(service)["state"] == "running"


def _has(service: Service, descriptors: int) -> None:
    assert _descriptors(service) <= descriptors  # a client's may have been among them


def test_who_waits_is_answered_by_the_new_program(new_service: NewService) -> None:
    """A reload that waits for a loop goes on through an upgrade, and its client is told."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2")
        service.wait_for("begin 0")
        service.wait_for("begin 1")
        reload = service.background("reload", "--run-dir", str(service.run_dir))
        service.wait_for("reload to generation 2 begins")
        assert ask(service, "upgrade")["status"] == 0
        assert {worker["generation"] for worker in crew(service)} >= {1}
        gate.open()
        out, error = reload.communicate(timeout=20)
        assert (reload.returncode, error) == (0, ""), error
        assert "reloaded: 2 workers run generation 2" in out
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0


@pytest.mark.parametrize(
    ("name", "source", "says"),
    [
        ("shop.py", "import nowhere_at_all", "nowhere_at_all"),
        ("naruto.toml", "target = 'shop:Orders'\nworkers = 0", "workers"),
    ],
)
def test_a_failing_check_changes_nothing(
    new_service: NewService, name: str, source: str, says: str
) -> None:
    """Code or settings that would not start refuse the upgrade: exit 1, and why."""
    service = new_service(
        {"shop.py": QUICK, "naruto.toml": "target = 'shop:Orders'\nworkers = 2"}
    )
    service.start()
    workers = pids(service)
    service.write(name, source)
    done = service.naruto("upgrade", "--run-dir", str(service.run_dir))
    assert done.returncode == 1
    assert "upgrade refused" in done.stderr and says in done.stderr
    assert pids(service) == workers
    assert "hands over" not in service.log
    service.write(name, QUICK if name == "shop.py" else "target = 'shop:Orders'\nworkers = 2")
    assert service.command("upgrade").returncode == 0
    assert service.command("stop").returncode == 0


def test_a_state_that_is_not_understood_is_refused(new_service: NewService) -> None:
    """The check reads what would be handed over, so another format never gets that far."""
    service = new_service({"shop.py": QUICK})
    service.write("sitecustomize.py", "")
    service.start("shop:Orders", PYTHONPATH=str(service.home))
    workers = pids(service)
    service.write(
        "sitecustomize.py",
        """
        import naruto.supervise.handover as handover
        handover.FORMAT += 1
        """,
    )
    done = service.command("upgrade")
    assert done.returncode == 1
    assert "restart it instead" in done.stderr
    assert pids(service) == workers
    assert service.command("stop").returncode == 0


def test_a_daemon(new_service: NewService) -> None:
    """A daemon is upgraded as well, and logs on."""
    service = new_service({"shop.py": QUICK})
    log = service.home / "a.log"
    where = "--run-dir", str(service.run_dir), "--log-file", str(log)
    assert service.naruto("start", "-d", "shop:Orders", *where).returncode == 0
    master, workers = service.pid, pids(service)
    assert service.command("upgrade").returncode == 0
    assert service.pid == master and pids(service) == workers
    assert service.command("reload").returncode == 0
    assert not pids(service) & workers
    assert service.command("stop").returncode == 0
    wait_gone(master)
    assert "the master goes on" in log.read_text()


def test_what_is_pending_is_kept(new_service: NewService) -> None:
    """A worker in backoff, a stopped worker's full pipe, and a worker killed meanwhile."""
    service = new_service({"shop.py": QUICK})
    service.start("shop:Orders", "--workers", "3", "--min-uptime", "1h", "--surge", "100%")
    first, second, _ = crew(service)
    os.kill(second["pid"], signal.SIGSTOP)
    os.kill(first["pid"], signal.SIGKILL)
    service.wait_for("is tried again in")
    assert ask(service, "upgrade")["status"] == 0
    states = {worker["index"]: worker["state"] for worker in crew(service)}
    assert states[1] == "stopped"
    service.wait_for("started 0 of generation 1", count=2)
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0


def test_preloaded_workers(new_service: NewService) -> None:
    """The mould is kept, and forks the replacement of a worker killed after the upgrade."""
    service = new_service({"shop.py": "print('imported')\n" + _dedented(QUICK)})
    service.start("shop:Orders", "--workers", "2", "--preload")
    assert ask(service, "upgrade")["status"] == 0
    os.kill(min(pids(service)), signal.SIGKILL)
    service.wait_for("started . of generation 1", count=3)
    assert service.log.count("imported") == 1
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0


def _dedented(source: str) -> str:
    import textwrap

    return textwrap.dedent(source)


def test_embedded_is_refused(new_service: NewService) -> None:
    """A program of the user's can't be exchanged under it: the upgrade says so."""
    service = new_service({"shop.py": QUICK})
    service.write(
        "program.py",
        """
        from naruto import Manager
        Manager("shop:Orders", run_dir="run", log_level="info").run()
        """,
    )
    service.run([sys.executable, "program.py"])
    done = service.command("upgrade")
    assert done.returncode == 1
    assert "part of a program" in done.stderr
    assert service.command("stop").returncode == 0
