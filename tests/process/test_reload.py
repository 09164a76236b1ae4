"""Reload: today's code, from today's release, with today's settings."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import NewService
from tests.process.stage import QUICK, ask, crew, pids, shown
from tests.service import eventually

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
