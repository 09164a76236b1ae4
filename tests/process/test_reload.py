"""Reload: today's code, from today's release, and never at the cost of the old workers."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import NewService
from tests.process.stage import QUICK, Gate, ask, crew, pids, shown
from tests.service import Service, eventually

PRICED = """
    import os
    from naruto import WorkerProcess
    from stock.prices import PRICE

    class Orders(WorkerProcess):
        interval = "20ms"

        def on_start(self):
            print(f"price {PRICE} in {os.getcwd()}")

        def business(self):
            pass
"""
"""A worker that says what a module says which another module imports."""

EXCLUSIVE = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = 0

        def business(self):
            mine = f"at-work-{self.index}"
            os.close(os.open(mine, os.O_CREAT | os.O_EXCL))  # raises where somebody is
            sum(range(2000))
            os.unlink(mine)

        def on_error(self, error):
            print("NOT ALONE")
"""

GATED_START = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "10ms"

        def on_start(self):
            print(f"start {self.index} of generation {self.generation}")
            if self.generation > 1 and self.index > 0:
                os.read(os.open("gate", os.O_RDONLY), 1)

        def business(self):
            pass
"""
"""A worker whose start, but for the first and the canary's, waits at a gate."""

BROKEN = {
    "syntax": "def business(:\n",
    "import": "import no_such_module_at_all\n",
    "import of a name": "from os import no_such_name\n",
    "no target": "class Other:\n    pass\n",
    "on_start": QUICK.replace('print(f"started', "raise OSError('no such db') #"),
    "sys.exit in on_start": QUICK.replace('print(f"started', "raise SystemExit(3) #"),
    "first loop": QUICK.replace("pass", "raise OSError('no such table')"),
    "killed": QUICK.replace("pass", "import os; os.kill(os.getpid(), 9)"),
}
"""What may be wrong with a deploy, by where it shows."""

SAYS = {
    "syntax": "SyntaxError",
    "import": "No module named 'no_such_module_at_all'",
    "import of a name": "no_such_name",
    "no target": "no 'Orders' in",
    "on_start": "OSError: no such db",
    "sys.exit in on_start": "sys.exit(3)",
    "first loop": "OSError: no such table",
    "killed": "signal KILL",
}


def _release(home: Path, price: str, name: str) -> Path:
    stock = home / name / "stock"
    stock.mkdir(parents=True)
    (home / name / "shop.py").write_text(dedent(PRICED))
    (stock / "__init__.py").touch()
    (stock / "prices.py").write_text(f"PRICE = {price}\n")
    return home / name


def _switch(link: Path, to: Path) -> None:
    new = link.with_name("next")
    new.symlink_to(to)
    new.replace(link)


def _all_loop_on(service: Service, expected: set[int]) -> None:
    """See that exactly these workers are there, and that each goes on looping."""
    before = {worker["pid"]: worker["loops"] for worker in crew(service)}
    assert set(before) == expected

    def further() -> None:
        for worker in crew(service):
            assert worker["loops"] > before[worker["pid"]]

    eventually(further)


def test_code_of_today_is_loaded(new_service: NewService) -> None:
    """What a module imports that the target imports is renewed as well."""
    service = new_service({"shop.py": PRICED, "stock/__init__.py": ""})
    service.write("stock/prices.py", "PRICE = 1\n")
    service.start("shop:Orders", "--workers", "2")
    service.wait_for("price 1 in", count=2)
    service.write("stock/prices.py", "PRICE = 'two'\n")
    assert service.command("reload").returncode == 0
    service.wait_for("price two in", count=2)


def test_an_edit_within_the_second_is_seen(new_service: NewService) -> None:
    """A source edited again in the second of its bytecode, its size unchanged, is seen."""
    service = new_service({"shop.py": PRICED, "stock/__init__.py": ""})
    second = 1_700_000_000
    source = service.write("stock/prices.py", "PRICE = 1\n")
    os.utime(source, (second, second + 0.1))
    service.start("shop:Orders", PYTHONDONTWRITEBYTECODE="")
    service.wait_for("price 1 in")
    [bytecode] = (source.parent / "__pycache__").glob("prices.*.pyc")
    os.utime(bytecode, (second, second + 0.3))
    service.write("stock/prices.py", "PRICE = 2\n")
    os.utime(source, (second, second + 0.6))
    ask(service, "reload")
    service.wait_for("price 2 in")


@pytest.mark.parametrize("given", ["directory", "PWD"])
def test_a_deploy_by_a_link(new_service: NewService, tmp_path: Path, given: str) -> None:
    """A good release is followed, a refused one is not, by a later replacement neither."""
    first, second = _release(tmp_path, "1", "r1"), _release(tmp_path, "2", "r2")
    third = _release(tmp_path, "1 / 0", "r3")
    current = tmp_path / "current"
    current.symlink_to(first)
    service = new_service(name="current" if given == "PWD" else "home")
    service.run_dir = tmp_path / "run"
    args = [] if given == "PWD" else ["--directory", str(current)]
    service.start("shop:Orders", *args)
    service.wait_for(f"price 1 in {first}")
    _switch(current, second)
    assert ask(service, "reload")["status"] == 0
    service.wait_for(f"price 2 in {second}")
    [before] = pids(service)
    _switch(current, third)
    refused = ask(service, "reload")
    assert refused["status"] == 1
    assert "ZeroDivisionError" in refused["text"]
    assert pids(service) == {before}
    service.signal("KILL", before)
    service.wait_for(f"price 2 in {second}", count=2)
    assert len(pids(service) - {before}) == 1


@pytest.mark.parametrize("where", BROKEN)
def test_a_broken_deploy_costs_nothing(new_service: NewService, where: str) -> None:
    """The old workers work on, the reload exits 1 and prints why, and the next one is good."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    old = pids(service)
    service.write("shop.py", BROKEN[where])
    done = service.command("reload")
    assert done.returncode == 1
    assert SAYS[where] in done.stderr
    assert "of generation 1" not in "".join(line for line in service.lines if "stop" in line)
    _all_loop_on(service, old)
    service.write("shop.py", QUICK)
    assert ask(service, "reload")["status"] == 0
    assert not old & pids(service)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('target = "shop:Orders"\nworkers = 0\n', "workers"),
        ('target = "shop:Orders"\nworker = 2\n', "did you mean 'workers'"),
        ("target = \n", "naruto.toml"),
    ],
)
def test_bad_settings_change_nothing(new_service: NewService, content: str, says: str) -> None:
    """Settings that are bad make the reload exit 2; nobody is even started."""
    service = new_service({"shop.py": QUICK, "naruto.toml": 'target = "shop:Orders"\n'})
    service.start()
    old = pids(service)
    service.write("naruto.toml", content)
    done = service.command("reload")
    assert done.returncode == 2
    assert says in done.stderr
    assert "started 0 of generation 2" not in service.log
    _all_loop_on(service, old)


def test_on_start_that_hangs_is_refused(new_service: NewService) -> None:
    """A new worker that isn't READY within start_timeout is killed, and nothing changes."""
    service = new_service({"shop.py": QUICK})
    args = ("--workers", "2", "--start-timeout", "700ms")
    with Gate(service.home / "gate"):
        service.start("shop:Orders", *args)
        old = pids(service)
        service.write("shop.py", GATED_START.replace(" and self.index > 0", ""))
        done = service.command("reload")
        assert done.returncode == 1
        assert "was not READY within start_timeout (0.7 s)" in done.stderr
        _all_loop_on(service, old)


def test_a_first_loop_that_hangs_is_refused(new_service: NewService) -> None:
    """The canary that hangs is told to leave; its index goes on when it has, others at once."""
    service = new_service({"shop.py": QUICK})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2", "--canary-timeout", "300ms")
        old = pids(service)
        service.write(
            "shop.py", QUICK.replace("pass", "import os; os.read(os.open('gate', 0), 1)")
        )
        done = service.command("reload")
        assert done.returncode == 1
        assert "is still in its first loop after canary_timeout (0.3 s)" in done.stderr
        still = crew(service)
        gate.open()
        service.wait_for("stopped 0 of generation 2: reload")
    assert {worker["pid"] for worker in still} > old
    assert [worker["told"] for worker in still if worker["pid"] not in old] == ["reload"]

    def back() -> None:
        assert pids(service) == old

    eventually(back)
    _all_loop_on(service, old)


@pytest.mark.parametrize(("surge", "at_once"), [("1", 1), ("2", 2), ("100%", 4)])
def test_surge(new_service: NewService, surge: str, at_once: int) -> None:
    """After the canary so many are in flight, and the strength never falls below workers."""
    service = new_service({"shop.py": GATED_START})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "5", "--surge", surge)
        service.echo("reload\n")
        service.wait_for("start [1-4] of generation 2", count=at_once)
        workers = crew(service)
        new = [w for w in workers if w["generation"] == 2]
        assert len([w for w in new if w["state"] == "starting"]) == at_once
        assert len([w for w in workers if w["told"] is None]) - at_once >= 5
        assert all(w["told"] is None for w in workers if w["index"] > 0)
        if surge == "100%":
            gate.let(3)
            _until_ready(service, 3)
            assert all(w["told"] is None for w in crew(service) if w["index"] > 0)
        gate.open()
        service.wait_for("reloaded: 5 workers run generation 2")
    assert {w["generation"] for w in crew(service)} == {2}


def _until_ready(service: Service, count: int) -> None:
    def ready() -> None:
        waiting = [w for w in crew(service) if w["generation"] == 2 and w["state"] == "ready"]
        assert len(waiting) == count

    eventually(ready)


def test_nobody_follows_before_the_canary_has_passed(new_service: NewService) -> None:
    """While the canary is in its first loop no other new worker is there."""
    service = new_service({"shop.py": QUICK})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "3", "--surge", "100%")
        waits = "import os; print('first'); os.read(os.open('gate', 0), 1)"
        service.write("shop.py", QUICK.replace("pass", waits))
        service.echo("reload\n")
        service.wait_for("INFO .* first$")
        workers = crew(service)
        assert [w["index"] for w in workers if w["generation"] == 2] == [0]
        assert all(w["told"] is None for w in workers)
        gate.open()
        service.wait_for("reloaded: 3 workers run generation 2")


def test_without_overlap(new_service: NewService) -> None:
    """With overlap = false an index's old worker has ended before its new one starts."""
    service = new_service(
        {
            "shop.py": """
                import os
                from naruto import WorkerProcess

                class Orders(WorkerProcess):
                    interval = "20ms"

                    def on_start(self):
                        self.mine = f"port-{self.index}"
                        os.close(os.open(self.mine, os.O_CREAT | os.O_EXCL))

                    def business(self):
                        pass

                    def on_stop(self, reason):
                        os.unlink(self.mine)
            """
        }
    )
    service.start("shop:Orders", "--workers", "2", "--no-overlap")
    for generation in (2, 3):
        answer = ask(service, "reload")
        assert answer["text"] == f"reloaded: 2 workers run generation {generation}"


def test_two_of_one_index_are_never_at_work(new_service: NewService) -> None:
    """Over reloads, kills between them and surge no two workers share an index in business."""
    service = new_service({"shop.py": EXCLUSIVE})
    service.start("shop:Orders", "--workers", "3", "--surge", "100%")
    for _ in range(3):
        assert ask(service, "reload")["status"] == 0
        pipe = next(service.run_dir.glob("default-1.*.pipe"))
        service.echo("reload\n", pipe.name)
    assert ask(service, "quit")["status"] == 0
    assert service.wait() == 0
    assert "NOT ALONE" not in service.log
    assert "ERROR" not in service.log


def test_strength_never_falls(new_service: NewService) -> None:
    """At every look during a reload at least ``workers`` are past their start and stay."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "3")
    service.echo("reload\n")
    looks = 0
    while shown(service)["groups"][0]["generation"] == 1:
        ready = [w for w in crew(service) if w["state"] not in ("forking", "starting")]
        assert len([w for w in ready if w["told"] is None]) >= 3
        looks += 1
    assert looks > 0


def test_settings_change_with_a_reload(new_service: NewService) -> None:
    """More workers, fewer, another interval, groups that come and go: all by a reload."""
    service = new_service({"shop.py": QUICK})
    group = '[groups.{}]\ntarget = "shop:Orders"\nworkers = {}\n'
    service.write("naruto.toml", group.format("a", 1)).chmod(0o600)
    service.start()
    service.write("naruto.toml", group.format("a", 3) + group.format("b", 2))
    assert ask(service, "reload")["text"] == "reloaded: 5 workers run generation 2"
    assert (len(pids(service, "a")), len(pids(service, "b"))) == (3, 2)
    assert {w["index"] for w in crew(service, "a")} == {0, 1, 2}
    service.write(
        "naruto.toml", group.format("b", 1) + 'interval = "1h"\nmax_interval = "1h"\n'
    )
    assert ask(service, "reload")["text"] == "reloaded: 1 workers run generation 3"
    service.wait_for("stopped . of generation 2: reload", count=5)
    assert [g["name"] for g in shown(service)["groups"]] == ["b"]
    [worker] = crew(service, "b")

    def rests() -> None:
        [now] = crew(service, "b")
        assert (now["state"], now["loops"]) == ("resting", 1)

    eventually(rests)
    assert {path.name for path in service.run_dir.glob("[ab]-*.pipe")} == {
        f"b-0.{worker['serial']}.pipe"
    }


def test_one_group_alone(new_service: NewService) -> None:
    """``reload GROUP`` leaves the other groups alone, and refuses a name it doesn't know."""
    service = new_service({"shop.py": QUICK})
    group = '[groups.{}]\ntarget = "shop:Orders"\n'
    service.write("naruto.toml", group.format("a") + group.format("b"))
    service.start()
    a, b = pids(service, "a"), pids(service, "b")
    assert service.command("reload", "b").returncode == 0
    assert pids(service, "a") == a
    assert not pids(service, "b") & b
    unknown = service.command("reload", "c")
    assert unknown.returncode == 2
    assert "no group 'c'; there are: a, b" in unknown.stderr
