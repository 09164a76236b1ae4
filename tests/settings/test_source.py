"""The source made from this process, and what reading it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from naruto.errors import SettingsError
from naruto.settings import Source


class TestHere:
    """The source made from this process."""

    @pytest.fixture
    def current(self, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Stand in shop, come through a link called "current"."""
        link = shop.parent / "current"
        link.symlink_to(shop)
        monkeypatch.chdir(link)
        return link

    def test_logical(self, current: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """$PWD counts when it is this place."""
        monkeypatch.setenv("PWD", str(current))
        monkeypatch.setenv("NARUTO_WORKERS", "3")
        source = Source.here({"name": "x"}, "n.toml")
        assert source.directory == str(current)
        assert (source.options, source.config) == ({"name": "x"}, "n.toml")
        assert source.environ["NARUTO_WORKERS"] == "3"

    @pytest.mark.parametrize("pwd", [None, "", ".", "/", "/no/such/place"])
    def test_stale(
        self, current: Path, monkeypatch: pytest.MonkeyPatch, pwd: str | None
    ) -> None:
        """A $PWD that is missing, relative or another place is not believed."""
        monkeypatch.delenv("PWD", raising=False)
        if pwd is not None:
            monkeypatch.setenv("PWD", pwd)
        assert Source.here({}).directory == os.getcwd() == str(current.resolve())

    def test_gone(self, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A working directory that was deleted is told, not thrown."""
        gone = shop / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        monkeypatch.setenv("PWD", str(gone))
        gone.rmdir()
        with pytest.raises(SettingsError, match="the working directory is gone"):
            Source.here({})

    def test_the_environment_is_a_copy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a program does to os.environ later changes no reload."""
        monkeypatch.delenv("NARUTO_WORKERS", raising=False)
        source = Source.here({})
        monkeypatch.setenv("NARUTO_WORKERS", "3")
        assert "NARUTO_WORKERS" not in source.environ


def test_nothing_heavy_is_imported() -> None:
    """Importing the settings loads no TOML reader, no cattrs, no difflib: a fork would pay."""
    code = (
        "import sys, types; sys.modules['naruto'] = package = types.ModuleType('naruto'); "
        "package.__path__ = ['naruto']; import naruto.settings; "
        "print([m for m in ('tomllib', 'tomli', 'cattrs', 'difflib') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
