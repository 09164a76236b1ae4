"""What a service has in the file system, deleted while it runs: made anew, and nobody lost."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
from pathlib import Path

from tests.conftest import NewService
from tests.process.kin import children
from tests.process.stage import GATED, QUICK, Gate, ask, crew, pids, shown
from tests.process.test_promise import LEDGER, _check_ledger
from tests.service import Service, eventually


def _awake(master: int) -> None:
    """Wake a master, whose pipe may be gone."""
    os.kill(master, signal.SIGCHLD)


def _assert_whole(service: Service, master: int, workers: int) -> None:
    """See that lock, pipe and the pipe of each worker are there, and work."""
    _awake(master)
    names = sorted(path.name for path in service.run_dir.iterdir())
    assert names[-2:] == ["master.pid", "master.pipe"]
    assert service.pid == master
    with (service.run_dir / "master.pid").open() as file:
        assert not _lockable(file.fileno())
    assert stat.S_ISFIFO(service.pipe().lstat().st_mode)
    alive = crew(service)
    assert {f"default-{w['index']}.{w['serial']}.pipe" for w in alive} == set(names[:-2])
    assert len(alive) == workers and set(children(master)) == pids(service)


def _lockable(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_the_run_directory(new_service: NewService) -> None:
    """Deleted under load, it is remade, and every worker replaced; strength never falls."""
    service = new_service({"shop.py": LEDGER})
    service.start("shop:Orders", "--workers", "3")
    master, before = service.pid, pids(service)
    shutil.rmtree(service.run_dir)
    least = []

    def replaced() -> None:
        _awake(master)
        ready = [w for w in crew(service) if w["state"] not in ("forking", "starting")]
        least.append(len([w for w in ready if w["told"] is None]))
        assert not pids(service) & before

    eventually(lambda: _remade(service, master))
    eventually(replaced)
    eventually(lambda: _assert_whole(service, master, 3))
    assert min(least) >= 3
    assert stat.S_IMODE(service.run_dir.stat().st_mode) == 0o700
    assert ask(service, "reload")["status"] == 0
    assert service.command("start", "shop:Orders").returncode == 4
    service.echo("stop\n", next(service.run_dir.glob("default-1.*")).name)
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    _check_ledger(service)
    assert not service.run_dir.exists() and not service.alive()
    service.wait_for("run was gone and is made anew")
    assert service.log.count("its pipe is gone") >= 3


def _remade(service: Service, master: int) -> None:
    _awake(master)
    assert (service.run_dir / "master.pipe").exists() and shown(service)


def test_the_pid_file(new_service: NewService) -> None:
    """Made and locked anew: a second start is refused, commands find the service."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    master, before = service.pid, pids(service)
    (service.run_dir / "master.pid").unlink()
    eventually(lambda: _locked_again(service, master))
    eventually(lambda: _assert_whole(service, master, 2))
    assert pids(service) == before  # they have all they need
    assert service.command("start", "shop:Orders").returncode == 4
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert not service.run_dir.exists()


def _locked_again(service: Service, master: int) -> None:
    _awake(master)
    assert (service.run_dir / "master.pid").exists()


def test_the_masters_pipe(new_service: NewService) -> None:
    """Deleted, and once more with a file in its place: a FIFO again, old workers are heard."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2")
        service.wait_for("begin", count=2)
        master, before = service.pid, pids(service)
        for place in (None, "reload\n"):
            service.pipe().unlink()
            if place:
                service.pipe().write_text(place)
            eventually(lambda: _assert_whole(service, master, 2))
            assert pids(service) == before
        gate.open()
        # The old workers say "done" into the pipe that they know.
        assert ask(service, "reload")["status"] == 0
        assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert not service.run_dir.exists()
    assert "ERROR" not in service.log


def test_the_masters_pipe_with_nobody_to_wake_it(new_service: NewService) -> None:
    """A reload by signal after it was deleted is a wake as good as any."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    before = pids(service)
    service.pipe().unlink()
    service.signal("USR1")
    service.wait_for("reloaded: 2 workers run generation 2")
    assert not before & pids(service)


def test_one_workers_pipe(new_service: NewService) -> None:
    """That one is replaced by one that has a pipe, the replacement READY first; no other is."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "3")
    master = service.pid
    [lost] = [w for w in crew(service) if w["index"] == 1]
    service.pipe(f"default-1.{lost['serial']}.pipe").unlink()
    stay = pids(service) - {lost["pid"]}

    def replaced() -> None:
        _assert_whole(service, master, 3)
        assert pids(service) & (stay | {lost["pid"]}) == stay

    eventually(replaced)
    service.wait_for("stopped 1 of generation 1")
    new, old = (service.log.find(text) for text in ("started 1", "stopped 1"))
    assert service.log.rfind("started 1") < old and new >= 0


def test_another_master_has_moved_in(new_service: NewService) -> None:
    """The first quits when it wakes, and removes nothing of the second's."""
    first = new_service({"shop.py": QUICK})
    first.start("shop:Orders", "--workers", "2")
    master = first.pid
    shutil.rmtree(first.run_dir)
    second = Service(first.home)
    second.mark = first.mark
    second.start("shop:Orders", "--workers", "2")
    names = {path.name for path in second.run_dir.iterdir()}

    def quits() -> None:
        _awake(master)
        assert "quit asked for by the master that has taken" in first.log

    eventually(quits)
    assert first.wait() == 0
    assert {path.name for path in second.run_dir.iterdir()} == names
    assert second.pid != master
    eventually(lambda: _assert_whole(second, second.pid, 2))
    assert ask(second, "stop")["status"] == 0
    assert second.wait() == 0
    assert not first.alive()


def test_killed_when_its_workers_had_no_pipe(new_service: NewService) -> None:
    """The next start knows them all the same: no two of one index are ever at work."""
    source = LEDGER.replace("uniform(0, 0.02)", "uniform(0.2, 0.4)").replace("< 0.5", "< 1")
    service = new_service({"shop.py": source})
    service.start("shop:Orders", "--workers", "3")
    master = service.pid
    _until_in_a_loop(service.home / "ledger", 3)
    for pipe in service.run_dir.glob("default-*.pipe"):
        pipe.unlink()
    os.kill(master, signal.SIGKILL)
    service.wait()
    again = Service(service.home)
    again.mark = service.mark
    again.start("shop:Orders", "--workers", "3")
    before = len((service.home / "ledger").read_text().splitlines())

    def worked() -> None:
        assert all(worker["loops"] > 1 for worker in crew(again))

    eventually(worked)
    assert len((service.home / "ledger").read_text().splitlines()) > before
    assert ask(again, "stop")["status"] == 0
    assert again.wait() == 0
    _check_ledger(service)
    assert not service.alive() and not again.run_dir.exists()


def _until_in_a_loop(ledger: Path, workers: int) -> None:
    def begun() -> None:
        text = ledger.read_text() if ledger.exists() else ""
        assert all(f"begin {index} " in text for index in range(workers))

    eventually(begun)
