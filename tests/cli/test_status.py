"""Status and list show what runs; every command finds the service that is meant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from naruto import Manager, __version__
from naruto.errors import NotRunning, SettingsError
from naruto.unix import services
from tests.cli.shop import IDLE, LONG, make_gate, open_gate
from tests.conftest import NewService
from tests.service import Service

SETTINGS = """
    name = "{name}"
    target = "shop:poll"
    run_dir = "run"
"""

SERVICE = {
    "name": str,
    "pid": int,
    "version": str,
    "run_dir": str,
    "state": str,
    "groups": list,
}
GROUP = {
    "name": str,
    "generation": int,
    "wanted": int,
    "workers": list,
    "state": str,
    "fatal": type(None),
    "failing": list,
    "orphans": list,
    "exits": dict,
    "last_exits": list,
}
NUMBER = (int, float)
WORKER = {
    "index": int,
    "serial": int,
    "generation": int,
    "pid": int,
    "state": str,
    "told": (str, type(None)),
    "uptime": NUMBER,
    "loops": int,
    "errors": int,
    "loop_age": (*NUMBER, type(None)),
    "working_on": (str, type(None)),
    "busy": NUMBER,
    "longest_loop": NUMBER,
    "memory": (int, type(None)),
    "cpu": (*NUMBER, type(None)),
}


class TestStatus:
    """What runs, since when, on what."""

    def test_as_data(self, new_service: NewService) -> None:
        """--json has every field of the schema, each of its type."""
        service = new_service({"shop.py": IDLE}).start("shop:poll", "--workers", "3")
        shown = service.status()
        for schema, records in [
            (SERVICE, [shown]),
            (GROUP, shown["groups"]),
            (WORKER, shown["groups"][0]["workers"]),
        ]:
            for record in records:
                assert record.keys() == schema.keys()
                for key, kind in schema.items():
                    assert isinstance(record[key], kind), key
        assert shown["version"] == __version__ and shown["state"] == "running"
        assert (shown["pid"], shown["run_dir"]) == (service.pid, str(service.run_dir))
        assert [w["index"] for w in shown["groups"][0]["workers"]] == [0, 1, 2]
        assert all(w["memory"] > 2**20 for w in shown["groups"][0]["workers"])

    def test_while_all_are_busy(self, new_service: NewService) -> None:
        """Workers deep in a loop are shown with what they work on; nobody has to answer."""
        service = new_service({"shop.py": LONG})
        make_gate(service)
        service.start("shop:Orders", "--workers", "2").wait_for("in the loop", 2)
        workers = service.workers()
        assert [w["working_on"] for w in workers] == ["order 0", "order 1"]
        assert all(w["state"] == "looping" and w["loop_age"] > 0 for w in workers)
        later = service.workers()
        assert all(b["loop_age"] > a["loop_age"] for a, b in zip(workers, later, strict=True))
        os.close(open_gate(service))
        assert service.command("stop", "--now").returncode in (0, 1)

    def test_as_a_table(self, new_service: NewService) -> None:
        """One line for each worker, under headings, in a pipe too."""
        service = new_service({"shop.py": LONG})
        make_gate(service)
        service.start("shop:Orders", "--workers", "2").wait_for("in the loop", 2)
        head, columns, *rows = service.command("status").stdout.splitlines()
        assert head == f"shop: running, pid {service.pid}, {service.run_dir}"
        assert columns.split() == [
            *("GROUP", "INDEX", "GEN", "PID", "STATE", "LOOPS", "ERRORS"),
            *("LOOP", "UPTIME", "MEMORY", "CPU", "WORKING", "ON"),
        ]
        for row, worker in zip(rows, service.workers(), strict=True):
            cells = row.split()
            assert cells[:4] == ["default", str(worker["index"]), "1", str(worker["pid"])]
            assert row.rstrip().endswith(f"order {worker['index']}")
        os.close(open_gate(service))
        assert service.command("stop", "--now").returncode in (0, 1)

    def test_text_of_users_is_no_markup(self, new_service: NewService) -> None:
        """What a worker works on is shown as it is."""
        source = """
            import time
            from naruto import WorkerProcess

            class Orders(WorkerProcess):
                def business(self):
                    self.working_on = "[red]order[/] \\x1b[31m é"
                    print("in the loop")
                    while not self.exit_flag:
                        time.sleep(0.001)
        """
        service = new_service({"shop.py": source})
        service.start("shop:Orders", wait_until="in the loop")
        done = service.command("status")
        assert "[red]order[/]" in done.stdout and "é" in done.stdout
        assert "\x1b" not in done.stdout
        assert service.workers()[0]["working_on"] == "[red]order[/] \x1b[31m é"
        assert service.command("stop").returncode == 0

    def test_of_a_master_that_hangs(self, new_service: NewService) -> None:
        """A master that is stopped is given some time, and then told of; nothing is left."""
        service = new_service({"shop.py": IDLE}).start("shop:poll")
        service.signal("STOP")
        try:
            done = service.command("status", "--timeout", "200ms")
            assert done.returncode == 1 and "200" not in done.stdout
            assert "within 0.2 s" in done.stderr
            assert not list(service.run_dir.glob("reply-*"))
        finally:
            service.signal("CONT")
        assert service.command("stop").returncode == 0

    @pytest.mark.parametrize("args", [["status"], ["status", "--json"], ["list"]])
    def test_nobody_reads_it(self, new_service: NewService, args: list[str]) -> None:
        """A reader who has gone (``| head -1``) causes no traceback."""
        service = new_service({"shop.py": IDLE}).start("shop:poll", "--workers", "20")
        reader, writer = os.pipe()
        os.close(reader)
        where = [] if args == ["list"] else ["--run-dir", str(service.run_dir)]
        done = subprocess.run(
            [sys.executable, "-m", "naruto", *args, *where],
            cwd=service.home,
            env=service.environ,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(writer)
        assert done.stderr == ""
        assert service.command("stop").returncode == 0


class TestList:
    """All services of this user."""

    def test_shown(self, new_service: NewService) -> None:
        """Each with name, pid and run directory; one that has ended is not there."""
        name = f"t{os.getpid()}"
        one = new_service({"shop.py": IDLE}, "one").start("shop:poll", "--name", f"{name}-a")
        two = new_service({"shop.py": IDLE}, "two").start("shop:poll", "--name", f"{name}-b")
        rows = _listed(one)
        assert rows[str(one.run_dir)] == (f"{name}-a", one.pid)
        assert rows[str(two.run_dir)] == (f"{name}-b", two.pid)
        table = one.naruto("list").stdout
        assert f"{name}-a" in table and str(two.pid) in table and str(two.run_dir) in table
        gone = str(one.run_dir)
        assert one.command("stop").returncode == 0
        assert gone not in _listed(two) and str(two.run_dir) in _listed(two)
        assert two.command("stop").returncode == 0


def _listed(service: Service) -> dict[str, tuple[str, int]]:
    rows = json.loads(service.naruto("list", "--json").stdout)
    return {row["run_dir"]: (row["name"], row["pid"]) for row in rows}


class TestFinding:
    """Which service a command means."""

    def test_the_settings_file_here(self, new_service: NewService) -> None:
        """In a directory with a settings file that service is meant, whatever else runs."""
        one = _configured(new_service, "one")
        two = _configured(new_service, "two")
        for service in (one, two):
            done = service.naruto("status", "--json")
            assert json.loads(done.stdout)["pid"] == service.pid
        assert one.naruto("stop").returncode == 0
        assert one.naruto("stop").returncode == 3
        assert two.naruto("stop").returncode == 0

    @pytest.mark.parametrize(
        ("args", "environ"),
        [
            (["--run-dir", "{one}/run"], {}),
            (["--run-dir", "../one/run"], {}),
            (["--config", "{one}/naruto.toml"], {}),
            (["--config", "../one/naruto.toml"], {}),
            ([], {"NARUTO_RUN_DIR": "{one}/run"}),
            ([], {"NARUTO_CONFIG": "{one}/naruto.toml"}),
        ],
    )
    def test_from_elsewhere(
        self, new_service: NewService, args: list[str], environ: dict[str, str]
    ) -> None:
        """By run directory or settings file, from any other directory."""
        one, elsewhere = _configured(new_service, "one"), new_service(name="elsewhere")
        given = [arg.format(one=one.home) for arg in args]
        variables = {key: value.format(one=one.home) for key, value in environ.items()}
        done = elsewhere.naruto("status", "--json", *given, **variables)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["pid"] == one.pid
        assert one.command("stop").returncode == 0

    @pytest.mark.parametrize("how", ["option", "environment"])
    def test_by_name(self, new_service: NewService, how: str) -> None:
        """By name it is found in the usual place, from anywhere."""
        name = f"naruto-test-{os.getpid()}"
        service = new_service({"shop.py": IDLE})
        naruto = [sys.executable, "-m", "naruto"]
        service.run([*naruto, "start", "shop:poll", "--name", name])
        args = ["--name", name] if how == "option" else []
        environ = {"NARUTO_NAME": name} if how == "environment" else {}
        elsewhere = new_service(name="elsewhere")
        shown = json.loads(elsewhere.naruto("status", "--json", *args, **environ).stdout)
        assert shown["name"] == name
        assert elsewhere.naruto("stop", *args, **environ).returncode == 0
        assert service.wait() == 0

    def test_by_name_beside_another_settings_file(self, new_service: NewService) -> None:
        """--name counts more than the file of this directory, and than its run_dir."""
        one = _configured(new_service, "one")
        done = one.naruto("status", "--name", "another")
        assert done.returncode == 3 and "another is not running" in done.stderr
        assert one.command("stop").returncode == 0

    def test_three_run(self, new_service: NewService) -> None:
        """Without a word it is not clear which is meant: 2, with the list."""
        all_three = [_configured(new_service, name) for name in ("one", "two", "three")]
        elsewhere = new_service(name="elsewhere")
        for verb in ("stop", "status", "reload"):
            done = elsewhere.naruto(verb)
            assert done.returncode == 2
            for service in all_three:
                assert str(service.run_dir) in done.stderr
                assert str(service.pid) in done.stderr
        for service in all_three:
            assert service.naruto("stop").returncode == 0

    def test_the_only_one(
        self, new_service: NewService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Without a word the only one is meant that runs, and none where none does."""
        service = new_service({"shop.py": IDLE}).start("shop:poll")
        found = ("shop", str(service.run_dir), service.pid)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(services, "all_running", lambda: iter([found]))
        assert Manager().status()["pid"] == service.pid
        monkeypatch.setattr(services, "all_running", lambda: iter([]))
        with pytest.raises(NotRunning, match="no service is running"):
            Manager().status()
        monkeypatch.setattr(services, "all_running", lambda: iter([found, ("b", "/b", 1)]))
        with pytest.raises(SettingsError, match="say which"):
            Manager().status()
        assert service.command("stop").returncode == 0


def _configured(new_service: NewService, name: str) -> Service:
    files = {"shop.py": IDLE, "naruto.toml": SETTINGS.format(name=name)}
    service = new_service(files, name)
    return service.run([sys.executable, "-m", "naruto", "start"])
