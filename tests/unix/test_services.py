"""Services are found by evidence: a pid file that a master has locked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from naruto.unix import pidfile, services
from tests.unix.forked import end, living

MASTER = """
import sys
from setproctitle import setproctitle
from naruto.unix import pidfile
setproctitle(sys.argv[2])
fd = pidfile.take(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def _master(path: Path, title: str) -> Iterator[int]:
    """Yield the pid of a process that calls itself a master and holds a pid file."""
    path.mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", MASTER, str(path / pidfile.NAME), title],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process.pid


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for run directories that no other test uses."""
    monkeypatch.setattr(services, "base", lambda: str(tmp_path / "base"))
    return tmp_path / "base"


def _found(tmp_path: Path) -> list[tuple[str, str, int]]:
    under = str(tmp_path)
    return sorted(one for one in services.all_running() if one[1].startswith(under))


def test_running(tmp_path: Path) -> None:
    """A service runs exactly as long as its master lives."""
    path = str(tmp_path)
    assert services.running(path) is None
    with living(lambda: pidfile.take(f"{path}/{pidfile.NAME}")) as pid:
        assert services.running(path) == pid
        end(pid)
        assert services.running(path) is None


def test_no_base_at_all(base: Path, tmp_path: Path) -> None:
    """Where nobody ever started anything, nothing runs."""
    assert _found(tmp_path) == []


def test_in_the_usual_place(base: Path, tmp_path: Path) -> None:
    """Of two run directories there, the one with a living master is listed."""
    (base / "gone").mkdir(parents=True)
    (base / "gone" / pidfile.NAME).write_text("1\n")
    (base / "shop").mkdir()
    with living(lambda: pidfile.take(f"{base}/shop/{pidfile.NAME}")) as pid:
        assert _found(tmp_path) == [("shop", f"{base}/shop", pid)]


def test_a_link_in_the_usual_place(base: Path, tmp_path: Path) -> None:
    """A link is no service: what it leads to was not made by naruto."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    base.mkdir()
    (base / "shop").symlink_to(elsewhere)
    with living(lambda: pidfile.take(f"{elsewhere}/{pidfile.NAME}")):
        assert _found(tmp_path) == []


def test_with_a_run_directory_of_its_own(base: Path, tmp_path: Path) -> None:
    """A service that --run-dir has put elsewhere is found by its master's open file."""
    path = tmp_path / "far" / "away"
    with _master(path, f"naruto: master shop ({path})") as pid:
        assert _found(tmp_path) == [("shop", str(path), pid)]


def test_nobody_who_only_holds_such_a_file(base: Path, tmp_path: Path) -> None:
    """Another program with a file of that name is not taken for a master."""
    with _master(tmp_path / "other", "somebody"):
        assert _found(tmp_path) == []


def test_each_once(base: Path, tmp_path: Path) -> None:
    """A master in the usual place is found in both ways, and listed once."""
    path = base / "shop"
    with _master(path, f"naruto: master shop ({path})") as pid:
        assert _found(tmp_path) == [("shop", str(path), pid)]
