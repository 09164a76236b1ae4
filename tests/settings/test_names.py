"""What a service is called, and what its relative paths count from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.settings.loading import Orders, load


class TestName:
    """What a service is called when nobody says so."""

    @pytest.mark.parametrize(
        ("toml", "given", "name"),
        [
            ('name = "c"\ntarget = "m:T"', {"name": "a", "NARUTO_NAME": "b"}, "a"),
            ('name = "c"\ntarget = "m:T"', {"NARUTO_NAME": "b"}, "b"),
            ('name = "c"\ntarget = "m:T"', {}, "c"),
            ('target = "m:T"', {}, "shop"),
            (None, {"target": "till.workers:T"}, "till"),
            (None, {"target": "größe:T"}, "gr--e"),
            (None, {"target": "__main__:T"}, "main"),
            (None, {"target": Orders}, Orders.__module__.split(".")[0]),
            (None, {"target": type("Main", (), {"__module__": "__main__"})}, "main"),
            (None, {}, "demo"),
        ],
    )
    def test_order(self, shop: Path, toml: str | None, given: Any, name: str) -> None:
        """Option, environment, file, the file's directory, the target's module, "demo"."""
        assert load(shop, toml, **given).name == name

    @pytest.mark.parametrize(
        ("directory", "name"), [("my shop.v2", "my-shop-v2"), ("x" * 80, "x" * 64)]
    )
    def test_derived_is_made_to_fit(self, tmp_path: Path, directory: str, name: str) -> None:
        """A directory may be called what it likes; the name is made of it."""
        (tmp_path / directory).mkdir()
        assert load(tmp_path / directory, 'target = "a:B"').name == name

    def test_directory_of_a_named_file(self, shop: Path, tmp_path: Path) -> None:
        """It is the directory that the file lies in, not the one one stands in."""
        (tmp_path / "naruto.toml").write_text('target = "a:B"')
        assert load(shop, config="../naruto.toml").name == tmp_path.name


class TestPaths:
    """Relative paths count from where they were written, and links stay links."""

    KEYS = ("run_dir", "log_file", "directory")

    @pytest.mark.parametrize("key", KEYS)
    def test_from_command_line_and_environment(self, shop: Path, key: str) -> None:
        """From the working directory."""
        for given in ({key: "x/../y"}, {f"NARUTO_{key.upper()}": "./y"}):
            assert getattr(load(shop, **given), key) == str(shop / "y")

    @pytest.mark.parametrize("key", KEYS)
    def test_from_file(self, shop: Path, key: str) -> None:
        """From the directory of the file."""
        (shop / "conf").mkdir()
        (shop / "conf" / "n.toml").write_text(f'target = "a:B"\n{key} = "../y"')
        assert getattr(load(shop, config="conf/n.toml"), key) == str(shop / "y")

    @pytest.mark.parametrize("key", KEYS)
    def test_absolute(self, shop: Path, key: str) -> None:
        """An absolute one counts as it is."""
        assert getattr(load(shop, **{key: "/srv/x"}), key) == "/srv/x"

    def test_working_directory(self, shop: Path) -> None:
        """Without a setting it is where one stands, wherever the file lies."""
        (shop / "conf").mkdir()
        (shop / "conf" / "n.toml").write_text('target = "a:B"')
        settings = load(shop, config="conf/n.toml")
        assert (settings.directory, settings.origins["directory"]) == (str(shop), "default")

    def test_links_stay(self, shop: Path, tmp_path: Path) -> None:
        """A link that a deploy switches is followed at use: file, directory, name say it."""
        current = tmp_path / "current"
        current.symlink_to(shop)
        settings = load(current, 'target = "a:B"\nlog_file = "log"')
        assert settings.directory == str(current)
        assert settings.config == str(current / "naruto.toml")
        assert settings.log_file == str(current / "log")
        assert settings.name == "current"

    def test_directory_of_a_group(self, shop: Path) -> None:
        """A group may have its own, relative to the file; the others have the service's."""
        toml = """
            directory = "srv"
            [groups.x]
            target = "a:B"
            directory = "../x"
            [groups.y]
            target = "a:C"
        """
        settings = load(shop, toml)
        assert settings.directory == str(shop / "srv")
        assert [g.directory for g in settings.groups] == [
            *(str(shop.parent / "x"), str(shop / "srv")),
        ]
        settings = load(shop, toml, directory="/line")
        assert settings.directory == "/line"
        assert [group.directory for group in settings.groups] == ["/line", "/line"]
        assert settings.origins["groups.x.directory"] == "command line"

    def test_no_directory_of_a_group(self, shop: Path) -> None:
        """None is the service's, wherever that comes from."""
        settings = load(shop, '[groups.x]\ntarget = "a:B"')
        assert (settings.directory, settings.groups[0].directory) == (str(shop), None)
        assert settings.origins["groups.x.directory"] == "default"
