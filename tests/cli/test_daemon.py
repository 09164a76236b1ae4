"""Start -d: it returns when all is well, or says why not; what it leaves behind is a daemon."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from tests.cli.shop import IDLE, WAITS_IN_START, make_gate, open_gate, there
from tests.cli.terminal import CTRL_C, Terminal
from tests.conftest import NewService
from tests.service import Service, eventually

ROOT = os.geteuid() == 0


def daemon(service: Service, *args: str) -> list[str]:
    """The arguments that make a daemon in the service's own directory."""
    return ["start", "-d", *args, "--run-dir", str(service.run_dir), "--log-file", "a.log"]


def test_returns_when_every_worker_is_ready(new_service: NewService) -> None:
    """While one of two is still in on_start the command waits; then it exits with 0."""
    service = new_service({"shop.py": WAITS_IN_START})
    make_gate(service)
    starting = service.background(*daemon(service, "shop:Orders", "--workers", "2"))
    there(service, "starting-0", "starting-1")
    assert service.status()["state"] == "starting"
    assert starting.poll() is None
    gate = open_gate(service)
    out, err = starting.communicate()
    os.close(gate)
    assert starting.returncode == 0, err
    assert f"shop runs as pid {service.pid}" in out
    assert str(service.home / "a.log") in out
    assert service.status()["state"] == "running"
    assert service.command("stop").returncode == 0
    assert not service.alive()


def test_no_wait(new_service: NewService) -> None:
    """With --no-wait it is there, and gets ready by itself."""
    service = new_service({"shop.py": WAITS_IN_START})
    make_gate(service)
    args = daemon(service, "shop:Orders", "--workers", "2", "--no-wait")
    assert service.naruto(*args).returncode == 0
    there(service, "starting-1")
    assert service.status()["state"] == "starting"
    gate = open_gate(service)
    eventually(lambda: _assert(service.status()["state"] == "running"))
    os.close(gate)
    assert service.command("stop").returncode == 0


def test_is_a_daemon(new_service: NewService) -> None:
    """Session, terminal, umask, directory and standard streams are a daemon's own."""
    service = new_service({"shop.py": IDLE})
    with Terminal(service, *daemon(service, "shop:poll")) as terminal:
        assert terminal.wait() == 0
    master, [worker] = service.pid, service.pids()
    assert os.getsid(master) not in (os.getsid(0), terminal.process.pid, master)
    stat = Path(f"/proc/{master}/stat").read_text().rpartition(")")[2].split()
    assert stat[4] == "0"  # tty_nr
    assert re.search(r"^Umask:\t0022$", Path(f"/proc/{master}/status").read_text(), re.M)
    assert os.readlink(f"/proc/{master}/cwd") == "/"
    assert os.readlink(f"/proc/{worker}/cwd") == str(service.home)
    for pid in (master, worker):
        streams = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)]
        assert streams == ["/dev/null", f"{service.home}/a.log", f"{service.home}/a.log"]
    assert service.command("stop").returncode == 0


def test_survives_the_end_of_its_terminal(new_service: NewService) -> None:
    """The terminal it was started on goes away, and nothing happens."""
    service = new_service({"shop.py": IDLE})
    with Terminal(service, *daemon(service, "shop:poll")) as terminal:
        assert terminal.wait() == 0
    assert service.status()["state"] == "running"
    assert service.command("stop").returncode == 0


def test_quiet(new_service: NewService) -> None:
    """With -q a good start prints nothing at all."""
    service = new_service({"shop.py": IDLE})
    done = service.naruto(*daemon(service, "shop:poll", "-q"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert service.command("stop").returncode == 0


def test_a_worker_that_fails(new_service: NewService) -> None:
    """One of three fails in on_start: the reason is printed, and nothing stays."""
    source = """
        from naruto import WorkerProcess

        class Orders(WorkerProcess):
            def on_start(self):
                if self.index == 2:
                    raise ConnectionError("no database")

            def business(self):
                pass
    """
    service = new_service({"shop.py": source})
    done = service.naruto(*daemon(service, "shop:Orders", "--workers", "3"))
    assert done.returncode == 1
    assert "default-2" in done.stderr and "ConnectionError: no database" in done.stderr
    assert f'File "{service.home}/shop.py", line 7' in done.stderr
    assert not service.alive() and not service.run_dir.exists()


def test_a_worker_that_is_never_ready(new_service: NewService) -> None:
    """start_timeout ends the start, naming the worker."""
    service = new_service({"shop.py": WAITS_IN_START})
    make_gate(service)
    args = daemon(service, "shop:Orders", "--workers", "2", "--start-timeout", "300ms")
    done = service.naruto(*args)
    assert done.returncode == 1 and "default-1" in done.stderr
    assert not service.alive() and not service.run_dir.exists()


def test_ctrl_c_while_it_waits(new_service: NewService) -> None:
    """Ctrl-C at the command ends the daemon that it has waited for."""
    service = new_service({"shop.py": WAITS_IN_START})
    make_gate(service)
    args = daemon(service, "shop:Orders", "--workers", "2", "--stop-timeout", "200ms")
    with Terminal(service, *args) as terminal:
        there(service, "starting-1")
        terminal.press(CTRL_C)
        assert terminal.wait() == 130
        assert "Traceback" not in terminal.text
    eventually(lambda: _assert(not service.alive()))
    assert not service.run_dir.exists()


def _assert(fact: bool) -> None:
    assert fact


def test_two_at_the_same_moment(new_service: NewService) -> None:
    """Exactly one wins, every time; the other one says which pid runs."""
    service = new_service({"shop.py": IDLE})
    for _ in range(3):
        both = [service.background(*daemon(service, "shop:poll", "-q")) for _ in range(2)]
        said = [one.communicate() for one in both]
        assert sorted(one.returncode for one in both) == [0, 4], said
        loser = next(err for one, (_, err) in zip(both, said, strict=True) if one.returncode)
        assert f"runs already, as pid {service.pid}" in loser
        assert len(service.pids()) == 1
        assert service.command("stop").returncode == 0
    assert not service.alive()


def test_relative_paths_are_settled_before_it_detaches(new_service: NewService) -> None:
    """They count from where the command was given, though the daemon lives in /."""
    service = new_service({"shop.py": IDLE, "conf/my.toml": 'target = "shop:poll"\n'})
    service.write("conf/shop.py", IDLE)
    args = "--config", "conf/my.toml", "--log-file", "logs/a.log", "--run-dir", "./run"
    done = service.naruto("start", "-d", *args, "--directory", ".")
    assert done.returncode == 0, done.stderr
    assert (service.home / "logs" / "a.log").read_text().count(" is up: ") == 1
    [worker] = service.pids()
    assert os.readlink(f"/proc/{worker}/cwd") == str(service.home)
    service.write("conf/my.toml", 'target = "shop:poll"\nworkers = 2\n')
    assert service.naruto("reload", "--run-dir", "run").returncode == 0
    assert len(service.pids()) == 2
    assert (
        service.naruto("stop", "--config", "conf/my.toml", NARUTO_RUN_DIR="run").returncode == 0
    )
    assert not service.alive()


def test_default_places(new_service: NewService, tmp_path: Path) -> None:
    """Without --run-dir and --log-file both are in the usual places, and that is told."""
    name = f"naruto-test-{uuid4().hex[:12]}"
    service = new_service({"shop.py": IDLE})
    log = Path(f"/var/log/naruto/{name}.log")
    run_dir = Path(f"/run/naruto/{name}")
    if not ROOT:
        log = tmp_path / ".local/state/naruto" / f"{name}.log"
        run_dir = Path(f"/tmp/naruto-{os.geteuid()}/{name}")
    try:
        home = {"HOME": str(tmp_path)}
        done = service.naruto("start", "-d", "shop:poll", "--name", name, **home)
        assert done.returncode == 0 and str(log) in done.stdout
        assert " is up: " in log.read_text()
        assert (run_dir / "master.pid").exists()
        assert run_dir.stat().st_mode & 0o777 == 0o700
        assert name in service.naruto("list").stdout
        assert service.naruto("stop", "--name", name).returncode == 0
        assert not run_dir.exists()
    finally:
        service.close()
        log.unlink(missing_ok=True)
        shutil.rmtree(run_dir, ignore_errors=True)


def test_a_log_that_cant_be_opened(new_service: NewService) -> None:
    """It is refused with the path, and another is suggested; nothing stays."""
    service = new_service({"shop.py": IDLE})
    args = "--run-dir", str(service.run_dir), "--log-file", "/sys/no/a.log"
    done = service.naruto("start", "-d", "shop:poll", *args)
    assert done.returncode == 2
    assert "/sys/no/a.log" in done.stderr and "--log-file" in done.stderr
    assert not service.alive() and not service.run_dir.exists()


def test_closed_standard_streams(new_service: NewService) -> None:
    """A starter that has closed 0, 1 and 2 makes a daemon all the same."""
    service = new_service({"shop.py": IDLE})
    args = " ".join(daemon(service, "shop:poll"))
    done = subprocess.run(
        f"exec {sys.executable} -m naruto {args} <&- >&- 2>&-",
        shell=True,
        cwd=service.home,
        env=service.environ,
    )
    assert done.returncode == 0
    assert service.status()["state"] == "running"
    streams = [os.readlink(f"/proc/{service.pid}/fd/{fd}") for fd in (0, 1, 2)]
    assert streams == ["/dev/null", f"{service.home}/a.log", f"{service.home}/a.log"]
    assert service.command("stop").returncode == 0


def test_a_daemon_has_no_parent_to_end_with(new_service: NewService) -> None:
    """--exit-with-parent and -d contradict one another: exit 2, and no process stays."""
    service = new_service({"shop.py": IDLE})
    done = service.naruto(*daemon(service, "shop:poll"), "--exit-with-parent")
    assert done.returncode == 2
    assert "exit_with_parent" in done.stderr and "Traceback" not in done.stderr
    assert not service.alive() and not service.run_dir.exists()


def test_an_upgraded_daemon_logs_where_its_settings_say_now(new_service: NewService) -> None:
    """A reload has moved the log: the program that goes on writes into the new one."""
    settings = 'target = "shop:poll"\nlog_file = "{0}.log"\n'
    service = new_service({"shop.py": IDLE, "naruto.toml": settings.format("first")})
    assert service.naruto("start", "-d", "--run-dir", str(service.run_dir)).returncode == 0
    service.write("naruto.toml", settings.format("second"))
    assert service.command("reload").returncode == 0
    assert service.command("upgrade").returncode == 0
    assert "the master goes on" in (service.home / "second.log").read_text()
    assert service.command("stop").returncode == 0
