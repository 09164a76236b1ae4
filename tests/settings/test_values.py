"""Values: every way of writing one that is accepted, and what is refused, in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naruto.core.units import Share
from tests.settings.loading import Orders, load, refusal


class TestValues:
    """Every way of writing a value that is accepted."""

    @pytest.mark.parametrize(
        ("key", "written", "value"),
        [
            ("workers", "4096", 4096),
            ("interval", "0", 0.0),
            ("interval", "250ms", 0.25),
            ("max_interval", "1m", 60.0),
            ("max_errors", "1", 1),
            ("surge", "100%", Share(100, percent=True)),
            ("surge", "2", Share(2)),
            ("overlap", "no", False),
            ("overlap", "ON", True),
            ("overlap", "0", False),
            ("start_timeout", "none", None),
            ("canary_timeout", "5s", 5.0),
            ("stop_timeout", "1h", 3600.0),
            ("min_uptime", "0.5", 0.5),
            ("target", "shop.workers:Orders.Inner", "shop.workers:Orders.Inner"),
            ("target", "größe:_Läufer2", "größe:_Läufer2"),
        ],
    )
    def test_text(self, shop: Path, key: str, written: str, value: object) -> None:
        """Text means the same on the command line, in the environment and in the file."""
        toml = f'{key} = "{written}"\n' + ('target = "a:B"' if key != "target" else "")
        for settings in (
            load(shop, **{key: written}),
            load(shop, **{f"NARUTO_{key.upper()}": written}),
            load(shop, toml),
        ):
            assert getattr(settings.groups[0], key) == value
            (shop / "naruto.toml").unlink(missing_ok=True)

    def test_typed_in_file(self, shop: Path) -> None:
        """TOML's own numbers and booleans do as well as text."""
        toml = 'target="a:B"\nworkers=3\noverlap=false\nstop_timeout=5\ninterval=0\nsurge=2'
        group = load(shop, toml).groups[0]
        assert (group.workers, group.overlap, group.stop_timeout) == (3, False, 5.0)
        assert (group.interval, group.surge) == (0.0, Share(2))

    @pytest.mark.parametrize("target", [Orders, len, lambda: None])
    def test_object_as_target(self, shop: Path, target: Callable[..., object]) -> None:
        """A program may hand over the class or function itself."""
        assert load(shop, target=target).groups[0].target is target

    def test_path_object(self, shop: Path) -> None:
        """A program may give a Path."""
        assert load(shop, run_dir=shop / "run").run_dir == str(shop / "run")


NUMBER = "a whole number from 1 to 4096 is needed"
TARGET = 'a target looks like "shop.workers:Orders"'


class TestBadValues:
    """Each wrong value is refused with place, key, what was given and what is right."""

    @pytest.mark.parametrize(
        ("key", "written", "right"),
        [
            ("workers", "abc", NUMBER),
            ("workers", "0", NUMBER),
            ("workers", "4097", NUMBER),
            ("workers", "-1", NUMBER),
            ("workers", "1.5", NUMBER),
            ("workers", "9" * 5000, NUMBER),
            ("max_errors", "0", "a whole number of at least 1 is needed"),
            ("interval", "-1", '"-1" is no duration; write seconds'),
            ("interval", "none", '"none" is no duration; write seconds'),
            ("max_interval", "0", "0 is refused; it must be longer"),
            ("min_uptime", "0", "0 is refused; it must be longer"),
            ("start_timeout", "0", '0 is refused; write "none" to wait for ever'),
            ("canary_timeout", "0s", '0 is refused; write "none" to wait for ever'),
            ("stop_timeout", "0", '0 is refused; write "none" to wait for ever'),
            ("stop_timeout", "nan", 'or "none" to wait for ever'),
            ("surge", "0%", '"0%" is no share of the workers'),
            ("overlap", "maybe", "true or false is needed"),
            ("log_level", "loud", "one of trace, debug, info"),
            ("name", "my shop", "a name is 1 to 64 of the characters A-Z, a-z, 0-9, _ and -"),
            ("name", "x" * 65, "a name is 1 to 64 of the characters"),
            ("name", "../etc", "a name is 1 to 64 of the characters"),
            ("name", "shop\n", "a name is 1 to 64 of the characters"),
            ("target", "shop", TARGET),
            ("target", "shop:", TARGET),
            ("target", "shop/workers.py:Orders", TARGET),
            ("target", "shop:Orders()", TARGET),
            ("target", "shop..workers:Orders", TARGET),
            ("target", "a:b:c", TARGET),
            ("target", "shop:2nd", TARGET),
            ("run_dir", "~/run", '"~" is not expanded here'),
        ],
    )
    def test_text(self, shop: Path, key: str, written: str, right: str) -> None:
        """On the command line, in the environment and in the file alike."""
        flag = "TARGET" if key == "target" else f"--{key.replace('_', '-')}"
        said = refusal(shop, **{key: written})
        assert said.startswith(f"{flag} {written}: ")
        assert right in said
        variable = f"NARUTO_{key.upper()}"
        said = refusal(shop, **{variable: written})
        assert said.startswith(f"{variable}={written}: ")
        assert right in said
        escaped = written.replace("\n", "\\n")
        said = refusal(shop, f'{key} = "{escaped}"')
        assert said.startswith(f'naruto.toml: {key} = "{escaped[:60]}')
        assert right in said

    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            ('workers = "many"', f'workers = "many": {NUMBER}'),
            ("workers = true", f"workers = true: {NUMBER}"),
            ("workers = 2.0", f"workers = 2.0: {NUMBER}"),
            ("workers = [1]", f"workers = [1]: {NUMBER}"),
            ("workers = 1979-05-27", f"workers = 1979-05-27: {NUMBER}"),
            ("interval = true", "interval = true: true is no duration"),
            ("interval = inf", "interval = inf: inf is no duration"),
            ("interval = nan", "interval = nan: nan is no duration"),
            ("overlap = 1", "overlap = 1: true or false is needed"),
            ("name = 5", "name = 5: a name is 1 to 64"),
            ('name = ""', 'name = "": a name is 1 to 64'),
            ("log_level = 3", "log_level = 3: one of trace"),
            ("log_file = true", "log_file = true: a path is needed"),
            ('log_file = ""', 'log_file = "": a path is needed'),
            ('run_dir = "a\\u0000b"', 'run_dir = "a\\u0000b": a path is needed'),
            ("surge = 0.25", "surge = 0.25: 0.25 is no share"),
            ("target = {}", f"target = {{}}: {TARGET}"),
        ],
    )
    def test_type_in_file(self, shop: Path, toml: str, said: str) -> None:
        """A value of a wrong type in the file is shown as TOML writes it."""
        assert refusal(shop, toml).startswith(f"naruto.toml: {said}")

    def test_in_a_group(self, shop: Path) -> None:
        """The key of a group's setting is spelt in full."""
        toml = '[groups.orders]\ntarget = "a:B"\nworkers = "many"'
        assert refusal(shop, toml) == f'naruto.toml: groups.orders.workers = "many": {NUMBER}'

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"interval": 3, "max_interval": 2}, "--max-interval 2: shorter than the interval"),
            (
                {"interval": 3, "NARUTO_MAX_INTERVAL": "2s"},
                "NARUTO_MAX_INTERVAL=2s: shorter than the interval (--interval 3)",
            ),
        ],
    )
    def test_intervals(self, shop: Path, given: Any, said: str) -> None:
        """A longest rest that is shorter than the shortest is refused, naming both."""
        assert said in refusal(shop, **given)

    @pytest.mark.parametrize("given", [{"interval": 5}, {"max_interval": 0.1}])
    def test_one_interval_alone(self, shop: Path, given: Any) -> None:
        """With only one of the two set the other is the class's affair."""
        assert load(shop, **given).groups[0].name == "default"
