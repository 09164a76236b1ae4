"""Restart: the program anew under the same pid, or, when it would not start, nothing at all."""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import Any

import pytest

from tests.cli.shop import LONG, make_gate, open_gate
from tests.conftest import NewService
from tests.service import Service

SHOP = """
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        def business(self):
            print("code {0}")
            self.working_on = "code {0}"
            self.sleep(1000)
"""

SETTINGS = """
    target = "shop:Orders"
    workers = {0}
"""


@pytest.fixture(params=["foreground", "daemon"])
def service(request: pytest.FixtureRequest, new_service: NewService) -> Service:
    """Two workers of the first code, in the foreground and as a daemon."""
    files = {"shop.py": SHOP.format(1), "naruto.toml": SETTINGS.format(2)}
    made = new_service(files)
    if request.param == "foreground":
        return made.start()
    where = "--run-dir", str(made.run_dir), "--log-file", "a.log"
    done = made.naruto("start", "-d", *where)
    assert done.returncode == 0, done.stderr
    return made


def _working_on(service: Service) -> set[Any]:
    return {worker["working_on"] for worker in service.workers()}


def test_same_master_new_everything(service: Service) -> None:
    """Pid, lock and directory stay; workers, code and settings are new when it returns."""
    pid, workers = service.pid, service.pids()
    service.write("shop.py", SHOP.format(2))
    service.write("naruto.toml", SETTINGS.format(3))
    done = service.command("restart")
    assert done.returncode == 0, done.stderr
    assert service.pid == pid
    shown = service.status()
    assert shown["pid"] == pid and shown["state"] == "running"
    assert len(service.pids()) == 3 and not service.pids() & workers
    second = service.naruto("start", "--run-dir", str(service.run_dir))
    assert second.returncode == 4 and f"pid {pid}" in second.stderr
    assert service.command("stop").returncode == 0
    assert not service.alive() and not service.run_dir.exists()


def test_what_would_not_start(service: Service) -> None:
    """Bad code and bad settings are found out before anything is stopped: 1, unharmed."""
    pid, workers = service.pid, service.pids()
    service.write("shop.py", "import nowhere\n")
    done = service.command("restart")
    assert done.returncode == 1
    assert "No module named 'nowhere'" in done.stderr and "shop.py" in done.stderr
    service.write("shop.py", SHOP.format(2))
    service.write("naruto.toml", SETTINGS.format(0))
    done = service.command("restart")
    assert done.returncode == 1
    assert "naruto.toml: workers = 0" in done.stderr and "Traceback" not in done.stderr
    assert (service.pid, service.pids()) == (pid, workers)
    service.write("naruto.toml", SETTINGS.format(2))
    assert service.command("restart").returncode == 0
    assert service.pid == pid and not service.pids() & workers
    assert service.command("stop").returncode == 0


def test_again_and_again(service: Service) -> None:
    """A restarted master can be restarted: descriptors and environment do not pile up."""
    assert service.command("restart").returncode == 0
    before = _belongings(service)
    for number in range(2):
        service.write("shop.py", SHOP.format(number))
        assert service.command("restart").returncode == 0
    assert _belongings(service) == before
    assert service.command("stop").returncode == 0


def _belongings(service: Service) -> tuple[int, list[str]]:
    pid = service.pid
    with open(f"/proc/{pid}/environ", "rb") as file:
        environ = file.read().decode().split("\0")
    ours = [one for one in environ if "NARUTO" in one.split("=")[0]]
    kept = [one for one in ours if not one.startswith("_NARUTO_RESTART")]
    return len(os.listdir(f"/proc/{pid}/fd")), sorted(kept)


def test_finishes_loops_first(new_service: NewService) -> None:
    """The loop of the old worker is finished before the new service begins."""
    service = new_service({"shop.py": LONG})
    make_gate(service)
    service.start("shop:Orders", wait_until="in the loop")
    old = service.pids()
    restarting = service.background("restart", "--run-dir", str(service.run_dir))
    service.wait_for("restart asked for")
    assert service.pids() == old and restarting.poll() is None
    gate = open_gate(service)
    _, err = restarting.communicate()
    assert restarting.returncode == 0, err
    assert service.pid and not service.pids() & old
    assert service.command("stop").returncode == 0
    os.close(gate)


def test_a_loop_that_had_to_be_killed(new_service: NewService) -> None:
    """The service is back, and the command says with 1 what was cut."""
    service = new_service({"shop.py": LONG})
    make_gate(service)
    service.start("shop:Orders", "--stop-timeout", "200ms", wait_until="in the loop")
    pid = service.pid
    done = service.command("restart")
    assert done.returncode == 1
    assert "default-0" in done.stderr and "order 0" in done.stderr
    assert service.status()["state"] == "running" and service.pid == pid
    assert service.command("stop", "--now").returncode == 1


def test_the_new_image_fails_after_all(new_service: NewService) -> None:
    """What no check can know (a port taken, say): the client is told, and nothing stays."""
    source = """
        import os
        from naruto import WorkerProcess

        class Orders(WorkerProcess):
            def on_start(self):
                if os.path.exists("bad"):
                    raise OSError("address in use")

            def business(self):
                pass
    """
    service = new_service({"shop.py": source}).start("shop:Orders")
    service.write("bad", "")
    done = service.command("restart")
    assert done.returncode == 1 and "did not come up again" in done.stderr
    assert service.wait() == 1
    assert "address in use" in service.log
    assert not service.alive() and not service.run_dir.exists()


def test_a_program_that_embeds(new_service: NewService) -> None:
    """Manager.run() in a program of one's own restarts that program, arguments and all."""
    program = """
        import sys
        from naruto import Manager

        print("begins with", *sys.argv[1:], flush=True)
        Manager("shop:Orders", run_dir="run", log_level="info").run()
    """
    service = new_service({"shop.py": SHOP.format(1), "program.py": program})
    service.run([sys.executable, "program.py", "one", "two words"])
    pid = service.pid
    service.write("shop.py", SHOP.format(2))
    done = service.command("restart")
    assert done.returncode == 0, done.stderr
    assert service.pid == pid
    service.wait_for("begins with one two words", 2)
    service.wait_for("code 2")
    assert service.command("stop").returncode == 0


def test_signals_during_it_are_not_lost(new_service: NewService) -> None:
    """A TERM that comes while the image is exchanged ends the new one."""
    service = new_service({"shop.py": SHOP.format(1)}).start("shop:Orders")
    pid = service.pid
    assert service.command("restart", "--no-wait").returncode == 0
    service.wait_for("restarts$")
    os.kill(pid, signal.SIGTERM)
    assert service.wait() == 0
    assert not service.alive() and not service.run_dir.exists()


@pytest.mark.parametrize("step", range(5))
def test_a_stop_during_it_is_not_lost(new_service: NewService, step: int) -> None:
    """A stop before, in and after the exec is obeyed and answered."""
    service = new_service({"shop.py": SHOP.format(1)}).start("shop:Orders")
    restarting = service.background("restart", "--run-dir", str(service.run_dir))
    service.wait_for("restart asked for" if step == 0 else "restarts$")
    select.select([], [], [], max(0, step - 1) * 0.05)
    done = service.command("stop")
    assert done.returncode == 0, done.stderr
    assert service.wait() == 0
    restarting.communicate()
    assert restarting.returncode in (0, 1)
    assert not service.alive() and not service.run_dir.exists()
