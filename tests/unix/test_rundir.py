"""A run directory is made so that it can be trusted, or refused with the reason."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from naruto.errors import RunDirError
from naruto.unix import rundir
from naruto.unix.rundir import RunDir
from tests.unix.forked import ROOT, in_child


@pytest.fixture
def home(tmp_path: Path) -> Iterator[RunDir]:
    """A run directory made by naruto."""
    made = RunDir.make(str(tmp_path / "run"))
    yield made
    made.close()


def _refused(path: Path | str) -> str:
    with pytest.raises(RunDirError) as caught:
        RunDir.make(str(path))
    assert caught.value.status == 2
    assert str(path) in str(caught.value)
    return str(caught.value)


class TestPlace:
    """Where it is."""

    def test_from_name_and_uid_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No variable of the environment moves it: ssh, cron and sudo find the same."""
        for variable in ("XDG_RUNTIME_DIR", "TMPDIR", "HOME", "USER"):
            monkeypatch.setenv(variable, "/elsewhere")
        uid = os.geteuid()
        expected = "/run/naruto/shop" if uid == 0 else f"/tmp/naruto-{uid}/shop"
        assert rundir.place("shop", None) == expected

    @pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
    def test_of_others(self) -> None:
        """Who isn't root has a place that carries the uid."""

        def work() -> str:
            os.seteuid(54321)
            return rundir.place("shop", None)

        assert in_child(work) == "/tmp/naruto-54321/shop"

    def test_given(self) -> None:
        """A path that was given is taken as it is."""
        assert rundir.place("shop", "/x/y") == "/x/y"


class TestMake:
    """Made, or accepted."""

    @pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
    def test_mode(self, tmp_path: Path, umask: int) -> None:
        """Nobody else may enter it, whatever the umask."""
        before = os.umask(umask)
        try:
            RunDir.make(str(tmp_path / "run")).close()
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700

    def test_one_that_is_there(self, tmp_path: Path) -> None:
        """A private directory of ours is accepted with what is in it."""
        (tmp_path / "run").mkdir(0o700)
        (tmp_path / "run" / "notes").write_text("mine")
        made = RunDir.make(str(tmp_path / "run"))
        assert made.names() == ["notes"]
        made.close()

    def test_base_is_made_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The directory above the usual place is made, as private as the other."""
        base = tmp_path / "naruto-1000"
        monkeypatch.setattr(rundir, "base", lambda: str(base))
        RunDir.make(rundir.place("shop", None)).close()
        assert stat.S_IMODE(base.stat().st_mode) == 0o700
        assert stat.S_IMODE((base / "shop").stat().st_mode) == 0o700

    def test_cleaners_are_kept_away(self, home: RunDir) -> None:
        """It is held under a lock that tmpfiles.d(5) respects, and no program inherits it."""
        home.hold()
        other = os.open(home.path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
        assert not os.get_inheritable(home.fd)


class TestRefused:
    """What can't be trusted or made: the reason is told, and nothing is changed."""

    def test_link(self, tmp_path: Path) -> None:
        """A symbolic link is not followed, though it leads to a good directory."""
        (tmp_path / "real").mkdir(0o700)
        (tmp_path / "run").symlink_to(tmp_path / "real")
        assert "a symbolic link; nothing was changed" in _refused(tmp_path / "run")
        assert (tmp_path / "run").is_symlink()

    def test_dangling_link(self, tmp_path: Path) -> None:
        """Nothing is made at the other end of a link."""
        (tmp_path / "run").symlink_to(tmp_path / "nowhere")
        assert "symbolic link" in _refused(tmp_path / "run")
        assert not (tmp_path / "nowhere").exists()

    def test_link_as_base(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The directory above the usual place may be no link either: /tmp is everybody's."""
        (tmp_path / "real").mkdir(0o700)
        (tmp_path / "base").symlink_to(tmp_path / "real")
        monkeypatch.setattr(rundir, "base", lambda: str(tmp_path / "base"))
        with pytest.raises(RunDirError, match="symbolic link"):
            RunDir.make(rundir.place("shop", None))
        assert not list((tmp_path / "real").iterdir())

    def test_file_in_its_place(self, tmp_path: Path) -> None:
        """A file is not overwritten."""
        (tmp_path / "run").write_text("precious")
        assert "no directory; nothing was changed" in _refused(tmp_path / "run")
        assert (tmp_path / "run").read_text() == "precious"

    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o1777])
    def test_others_may_use_it(self, tmp_path: Path, mode: int) -> None:
        """A directory that others may read or enter is refused, and its mode is kept."""
        (tmp_path / "run").mkdir()
        (tmp_path / "run").chmod(mode)
        assert f"mode {mode:04o}" in _refused(tmp_path / "run")
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == mode

    @pytest.mark.skipif(not ROOT, reason="only root can give a directory away")
    def test_of_somebody_else(self, tmp_path: Path) -> None:
        """Whoever owns it could give orders."""
        (tmp_path / "run").mkdir(0o700)
        os.chown(tmp_path / "run", 54321, -1)
        assert "belongs to uid 54321, not to us (uid 0)" in _refused(tmp_path / "run")

    def test_nothing_above_it(self, tmp_path: Path) -> None:
        """Only the run directory itself is made."""
        said = _refused(tmp_path / "no" / "run")
        assert "the directory above it does not exist" in said
        assert not (tmp_path / "no").exists()

    def test_file_above_it(self, tmp_path: Path) -> None:
        """A file as a part of the path is told."""
        (tmp_path / "file").touch()
        assert "Not a directory" in _refused(tmp_path / "file" / "run")

    @pytest.mark.parametrize("path", ["{}/" + "x" * 300, "{}" + "/x" * 3000])
    def test_too_long(self, tmp_path: Path, path: str) -> None:
        """A name or a path too long for the kernel suggests a shorter one."""
        assert "a shorter one with --run-dir" in _refused(path.format(tmp_path))

    def test_not_writable(self) -> None:
        """Where a user may not write, another place is suggested."""

        def work() -> str:
            if ROOT:
                os.seteuid(54321)
            try:
                RunDir.make(f"{directory}/run")
            except RunDirError as error:
                return str(error)
            return "it was made"

        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o555)
            said = in_child(work)
        assert "Permission denied; name another place with --run-dir" in said

    def test_read_only_root(self) -> None:
        """In a file system where not even root can make one, --run-dir is suggested."""
        said = _refused("/sys/naruto-test")
        assert "name another place with --run-dir" in said


class TestFiles:
    """What is in it, and what is cleared."""

    def test_clear_takes_only_ours(self, home: RunDir) -> None:
        """Pipes and the pid file go, but for the spared; what a user left there stays."""
        for name in (
            "master.pipe",
            "orders-0.7.pipe",
            "orders-1.8.pipe",
            "master.pid",
            "notes",
        ):
            Path(home.file(name)).touch()
        home.clear(frozenset({"orders-1.8.pipe"}))
        assert home.names() == ["notes", "orders-1.8.pipe"]

    def test_remove(self, home: RunDir) -> None:
        """An empty directory goes, one with something of the user's in it stays."""
        notes = Path(home.file("notes"))
        notes.touch()
        home.remove()
        assert notes.exists()
        notes.unlink()
        home.remove()
        home.remove()
        assert not os.path.exists(home.path)

    def test_unlink_what_is_gone(self, home: RunDir) -> None:
        """Somebody was faster: fine."""
        home.unlink("no.pipe")


class TestSerial:
    """No serial is used twice, not by the next master either."""

    def test_beyond_those_that_are_there(self) -> None:
        """A worker that still lives has a smaller one, even after a clock that went back."""
        assert rundir.first_serial([f"orders-0.{10**17}.pipe"]) == 10**17 + 1

    def test_grows_by_itself(self) -> None:
        """With nothing left, later is still greater."""
        assert 0 < rundir.first_serial([]) <= rundir.first_serial([])

    def test_other_names_do_not_matter(self) -> None:
        """What is no worker's pipe tells nothing, and disturbs nothing."""
        names = ["master.pipe", "reply-1-2.pipe", "notes", "x.²", "9" * 20]
        assert rundir.first_serial(names) < 10**17
