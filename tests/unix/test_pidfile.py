"""The lock on the pid file is what "running" means, whatever the file says."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from naruto.unix import pidfile
from tests.service import PATIENCE
from tests.unix.forked import end, in_child, living


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the pid file is to be."""
    return str(tmp_path / pidfile.NAME)


def test_the_taker_holds_it(path: str) -> None:
    """Pid and newline are in it, it is private, and its holder is known to others."""
    with living(lambda: pidfile.take(path)) as pid:
        assert Path(path).read_text() == f"{pid}\n"
        assert pidfile.holder(path) == pid
        assert os.stat(path).st_mode & 0o077 == 0


def test_of_two_takers_one_wins(path: str) -> None:
    """The second one gets nothing, and the file still says who runs."""
    with living(lambda: pidfile.take(path)) as pid:
        assert pidfile.take(path) is None
        assert pidfile.holder(path) == pid


def test_the_lock_dies_with_its_holder(path: str) -> None:
    """After a SIGKILL the file is stale: nobody runs, and the next one takes it."""
    with living(lambda: pidfile.take(path)) as pid:
        end(pid)
        assert pidfile.holder(path) is None
        fd = pidfile.take(path)
        assert fd is not None
        assert Path(path).read_text() == f"{os.getpid()}\n"
        os.close(fd)


@pytest.mark.parametrize("text", ["1\n", "", "garbage", "999999999999\n"])
def test_what_is_not_locked_is_stale(path: str, text: str) -> None:
    """The pid of a living stranger in it means nothing without the lock."""
    Path(path).write_text(text)
    assert pidfile.holder(path) is None
    fd = pidfile.take(path)
    assert fd is not None
    assert Path(path).read_text() == f"{os.getpid()}\n"
    os.close(fd)


def test_missing(path: str) -> None:
    """Without a file nobody runs, and looking makes none."""
    assert pidfile.holder(path) is None
    assert not os.path.exists(path)


@pytest.mark.parametrize("text", ["", "garbage", "0"])
def test_locked_by_no_master(path: str, text: str) -> None:
    """A lock on a file that names nobody belongs to no master of ours."""
    Path(path).write_text(text)

    def lock() -> Any:
        fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_EX)

    with living(lock):
        assert pidfile.holder(path) is None
        assert pidfile.take(path) is None


def test_a_link_is_not_followed(path: str, tmp_path: Path) -> None:
    """What a link in its place points to is neither written nor believed."""
    precious = tmp_path / "precious"
    precious.write_text("1\n")
    os.symlink(precious, path)
    with pytest.raises(OSError, match="symbolic links"):
        pidfile.take(path)
    assert pidfile.holder(path) is None
    assert precious.read_text() == "1\n"


def test_a_taker_waits_for_one_who_only_looks(path: str) -> None:
    """A start that meets a command's short look takes the lock all the same."""
    Path(path).touch()
    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(pidfile.take(path)))
    thread.start()
    os.close(looking)
    thread.join(PATIENCE)
    assert taken and taken[0] is not None
    os.close(taken[0])


def test_lookers_never_turn_a_start_away(path: str) -> None:
    """While two processes look without a pause, each of 200 starts gets the lock."""

    def look() -> Any:
        if os.fork() == 0:
            parent = os.getppid()
            while os.getppid() == parent:
                pidfile.holder(path)
            os._exit(0)

    with living(look), living(look):
        for _ in range(200):
            fd = pidfile.take(path)
            assert fd is not None
            os.close(fd)


def test_a_file_that_its_holder_removes_is_not_the_lock(path: str) -> None:
    """Takers that race with the removal of the file never hold two locks at once."""
    marker = f"{path}.held"

    def take_often() -> int:
        taken = 0
        while taken < 150:
            fd = pidfile.take(path)
            if fd is None:
                continue
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))  # raises where two hold it
            os.unlink(marker)
            os.unlink(path)
            os.close(fd)
            taken += 1
        return taken

    def race() -> int:
        pid = os.fork()
        taken = take_often() if pid else 0
        if pid == 0:
            status = 1
            try:
                status = 0 if take_often() else 1
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0, "the other one held a lock as well"
        return taken

    assert in_child(race) == 150


def test_kept_over_a_fork_until_all_have_closed_it(path: str) -> None:
    """The lock belongs to the open file: why a worker closes it after the fork."""
    fd = pidfile.take(path)
    assert fd is not None and not os.get_inheritable(fd)
    with living(lambda: None) as child:
        os.close(fd)
        assert pidfile.holder(path) == os.getpid()
        end(child)
        assert pidfile.holder(path) is None
