"""The settings file: which one it is, and whatever is wrong in it is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.settings.loading import load, refusal


class TestUnknownKeys:
    """A key that does not exist is refused, with what may have been meant."""

    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            (
                "[groups.orders]\nworker = 1",
                "groups.orders: unknown key 'worker'; did you mean 'workers'?",
            ),
            ("worker = 1", "unknown key 'worker'; did you mean 'workers'?"),
            ("stop-timeout = 1", "unknown key 'stop-timeout'; did you mean 'stop_timeout'?"),
            ("[grous.orders]", "unknown key 'grous'; did you mean 'groups'?"),
            (
                "[group.orders]",
                "group = {orders = {}}: this is a group of users; a group of workers is "
                "[groups.NAME]",
            ),
            (
                "zzz = 1",
                "unknown key 'zzz'; known are canary_timeout, directory, environment, ",
            ),
            ("[groups.a]\nzzz = 1", "groups.a: unknown key 'zzz'; known are canary_timeout, "),
            (
                "[groups.a]\nlog_file = 'x'",
                "groups.a: 'log_file' is set for the whole service; move it above",
            ),
        ],
    )
    def test_in_file(self, shop: Path, toml: str, said: str) -> None:
        """In the file, at the top or in a group."""
        assert refusal(shop, toml).startswith(f"naruto.toml: {said}")

    def test_from_a_program(self, shop: Path) -> None:
        """In a program's arguments."""
        said = refusal(shop, wrokers=5)
        assert said == "unknown key 'wrokers'; did you mean 'workers'?"

    def test_in_environment_is_no_error(self, shop: Path) -> None:
        """Kubernetes makes such variables for a service called naruto."""
        assert load(shop, NARUTO_SERVICE_HOST="10.0.0.1", NARUTO_WORKRES="5").name == "demo"


class TestBadFile:
    """A file that can't be read is refused with the place in it."""

    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            ("workers = 1\n\nname = = 3", "naruto.toml: line 3, column 8: "),
            (
                "[groups.a]\n[groups.b]\n[groups.a]",
                "naruto.toml: line 3, column 10: [groups.a] stands there twice",
            ),
            ("workers = 1\nworkers = 2\n", "a key stands there twice"),
            ("workers = ", "naruto.toml: "),
        ],
    )
    def test_bad_toml(self, shop: Path, toml: str, said: str) -> None:
        """TOML's own errors name the line, and a second group of one name is called that."""
        assert said in refusal(shop, toml)

    def test_not_utf8(self, shop: Path) -> None:
        """Bytes that are no UTF-8 are refused, with the place."""
        (shop / "naruto.toml").write_bytes(b"# caf\xe9")
        assert refusal(shop) == "naruto.toml: byte 6 is not UTF-8"

    def test_endless_number(self, shop: Path) -> None:
        """A number that Python itself refuses to read is a bad file, no traceback."""
        said = refusal(shop, f"target = 'a:B'\nworkers = {'9' * 5000}")
        assert said.startswith("naruto.toml: ")

    def test_directory(self, shop: Path) -> None:
        """What is there but is no file is refused, not passed over."""
        (shop / "naruto.toml").mkdir()
        assert refusal(shop) == "naruto.toml: can't be read: Is a directory"

    @pytest.mark.parametrize("given", [{"config": "no.toml"}, {"NARUTO_CONFIG": "no.toml"}])
    def test_named_and_missing(self, shop: Path, given: Any) -> None:
        """A file that was named has to be there."""
        assert refusal(shop, **given) == "no.toml: there is no such settings file"

    @pytest.mark.parametrize("config", ["", "~/naruto.toml"])
    def test_named_badly(self, shop: Path, config: str) -> None:
        """A name that can be no file's is refused as one."""
        assert refusal(shop, config=config).startswith(f"{config}: ")


class TestWhichFile:
    """naruto.toml, or [tool.naruto] of pyproject.toml, or the file that was named."""

    def test_pyproject(self, shop: Path) -> None:
        """Without a naruto.toml [tool.naruto] counts, and errors say it stands there."""
        pyproject = shop / "pyproject.toml"
        pyproject.write_text('[tool.naruto]\ntarget = "a:B"\nworkers = 3')
        settings = load(shop)
        assert settings.config == str(pyproject)
        assert settings.groups[0].workers == 3
        assert settings.origins["workers"] == "pyproject.toml"
        pyproject.write_text("[tool.naruto]\nworkers = 0")
        assert refusal(shop).startswith("pyproject.toml: tool.naruto.workers = 0: ")
        pyproject.write_text("[tool.naruto.groups.a]\nzzz = 0")
        assert refusal(shop).startswith("pyproject.toml: tool.naruto.groups.a: unknown key")
        pyproject.write_text("[tool]\nnaruto = 3")
        assert refusal(shop) == "pyproject.toml: tool.naruto: a table of settings is needed"

    def test_naruto_toml_first(self, shop: Path) -> None:
        """When both are there naruto.toml counts, and the other is not looked at."""
        (shop / "pyproject.toml").write_text("broken")
        assert load(shop, 'target = "a:B"').config == str(shop / "naruto.toml")

    @pytest.mark.parametrize("text", ["[project]\nname = 'x'", "tool = 3", "[tool.ruff]"])
    def test_pyproject_of_others(self, shop: Path, text: str) -> None:
        """A pyproject.toml that does not mention naruto is no settings file, unless named."""
        (shop / "pyproject.toml").write_text(text)
        assert load(shop).config is None
        said = refusal(shop, config="pyproject.toml")
        assert said == "pyproject.toml: it has no [tool.naruto]"

    @pytest.mark.parametrize("absolute", [True, False])
    def test_named(self, shop: Path, absolute: bool) -> None:
        """The file that is named counts alone; --config before NARUTO_CONFIG."""
        (shop / "conf").mkdir()
        one = shop / "conf" / "one.toml"
        one.write_text('target = "a:One"')
        (shop / "conf" / "two.toml").write_text('target = "a:Two"')
        named = str(one) if absolute else "conf/one.toml"
        for given in (
            {"config": named, "NARUTO_CONFIG": "conf/two.toml"},
            {"NARUTO_CONFIG": named},
        ):
            settings = load(shop, 'target = "a:Three"', **given)
            assert settings.groups[0].target == "a:One"
            assert settings.config == str(one)
            assert settings.origins["target"] == named

    def test_empty_variable(self, shop: Path) -> None:
        """An empty NARUTO_CONFIG names nothing."""
        assert load(shop, 'target = "a:B"', NARUTO_CONFIG="").groups[0].target == "a:B"
