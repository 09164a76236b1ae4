"""Settings for how long a worker lives, and for what comes after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from naruto.core.policy import Policy
from naruto.settings import GroupSettings
from tests.settings.loading import load, refusal

NO_LIMIT = 'or "none" for no limit'


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("restart", "Never", "never"),
        ("restart", "unexpected", "unexpected"),
        ("exit_codes", "2", (2,)),
        ("exit_codes", "3, 0,255 3", (0, 3, 255)),
        ("max_restarts", "5", 5),
        ("max_restarts", "none", None),
        ("restart_window", "5m", 300.0),
        ("slow_loop", "1m", 60.0),
        ("slow_loop", "None", None),
        ("loop_timeout", "90", 90.0),
        ("max_loops", "1", 1),
        ("max_loops", "none", None),
        ("max_lifetime", "1d", 86400.0),
        ("max_memory", "1.5G", 3 * 2**29),
        ("max_memory", "none", None),
        ("preload", "on", True),
    ],
)
def test_text(shop: Path, key: str, written: str, value: object) -> None:
    """Text means the same on the command line, in the environment and in the file."""
    by_line = load(shop, **{key: written})
    by_variable = load(shop, **{f"NARUTO_{key.upper()}": written})
    by_file = load(shop, f'target = "a:B"\n{key} = "{written}"')
    for settings in (by_line, by_variable, by_file):
        assert getattr(settings.groups[0], key) == value


@pytest.mark.parametrize(
    ("toml", "key", "value"),
    [
        ("exit_codes = 3", "exit_codes", (3,)),
        ("exit_codes = [2, 0, 2]", "exit_codes", (0, 2)),
        ("max_memory = 4096", "max_memory", 4096),
        ("max_lifetime = 0.5", "max_lifetime", 0.5),
        ("preload = true", "preload", True),
    ],
)
def test_typed_in_file(shop: Path, toml: str, key: str, value: object) -> None:
    """TOML's own numbers, lists and booleans do as well as text."""
    assert getattr(load(shop, f'target = "a:B"\n{toml}').groups[0], key) == value


@pytest.mark.parametrize(
    ("key", "written", "right"),
    [
        ("restart", "sometimes", "one of always, unexpected, never is needed"),
        ("exit_codes", "256", "exit codes from 0 to 255 are needed"),
        ("exit_codes", "-1", "exit codes from 0 to 255 are needed"),
        ("exit_codes", "0,,2", 'such as 0, [0, 2] or "0,2"'),
        ("exit_codes", "TERM", "exit codes from 0 to 255 are needed"),
        ("max_restarts", "0", f"a whole number of at least 1 is needed, {NO_LIMIT}"),
        ("restart_window", "0", "0 is refused; it must be longer than that"),
        ("restart_window", "none", '"none" is no duration'),
        ("slow_loop", "0", f"0 is refused; it must be longer than that, {NO_LIMIT}"),
        ("loop_timeout", "soon", '"soon" is no duration'),
        ("max_loops", "1.5", f"a whole number of at least 1 is needed, {NO_LIMIT}"),
        ("max_lifetime", "0", "0 is refused"),
        ("max_memory", "abc", '"abc" is no size; write bytes'),
        ("max_memory", "0", f"more than 0, {NO_LIMIT}"),
        ("max_memory", "-5MB", '"-5MB" is no size'),
        ("preload", "maybe", "true or false is needed"),
        ("exit_with_parent", "maybe", "true or false is needed"),
    ],
)
def test_bad_text(shop: Path, key: str, written: str, right: str) -> None:
    """Wrong text is refused with its place, on the command line, outside of it, in the file."""
    for given, place in (
        ({key: written}, f"--{key.replace('_', '-')} {written}: "),
        ({f"NARUTO_{key.upper()}": written}, f"NARUTO_{key.upper()}={written}: "),
    ):
        said = refusal(shop, **given)
        assert said.startswith(place) and right in said
    said = refusal(shop, f'[groups.x]\ntarget = "a:B"\n{key} = "{written}"')
    if key == "exit_with_parent":
        assert "'exit_with_parent' is set for the whole service" in said
    else:
        assert said.startswith(f'naruto.toml: groups.x.{key} = "{written}": ') and right in said


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("restart = true", "restart = true: one of always"),
        ("exit_codes = []", "exit_codes = []: exit codes from 0 to 255 are needed"),
        ("exit_codes = [0, true]", "exit_codes = [0, true]: exit codes"),
        ('exit_codes = ["TERM"]', 'exit_codes = ["TERM"]: exit codes'),
        ("exit_codes = 0.0", "exit_codes = 0.0: exit codes"),
        ("max_memory = 1.5", "max_memory = 1.5: 1.5 is no size"),
        ("max_memory = true", "max_memory = true: true is no size"),
        ("max_loops = [1]", "max_loops = [1]: a whole number"),
        ("loop_timeout = {}", "loop_timeout = {}: {} is no duration"),
        ("loop_timout = 5", "unknown key 'loop_timout'; did you mean 'loop_timeout'?"),
        ("exitcodes = 5", "unknown key 'exitcodes'; did you mean 'exit_codes'?"),
    ],
)
def test_bad_type(shop: Path, toml: str, said: str) -> None:
    """A wrong type or key in the file is shown as TOML writes it."""
    assert refusal(shop, toml).startswith(f"naruto.toml: {said}")


class TestTimes:
    """A loop is slow before it is killed."""

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (
                {"slow_loop": 5, "loop_timeout": 4},
                "--loop-timeout 4: not longer than slow_loop (--slow-loop 5)",
            ),
            (
                {"NARUTO_SLOW_LOOP": "5", "loop_timeout": "5s"},
                "--loop-timeout 5s: not longer than slow_loop (NARUTO_SLOW_LOOP=5)",
            ),
        ],
    )
    def test_refused(self, shop: Path, given: Any, said: str) -> None:
        """A timeout at or before slow_loop would never let that be told; both are named."""
        assert refusal(shop, **given) == said

    def test_across_the_file(self, shop: Path) -> None:
        """The two may stand in different tables: what is in effect counts."""
        toml = 'slow_loop = 9\n[groups.x]\ntarget = "a:B"\nloop_timeout = 8'
        said = (
            "groups.x.loop_timeout = 8: not longer than slow_loop (naruto.toml: slow_loop = 9)"
        )
        assert refusal(shop, toml) == f"naruto.toml: {said}"

    @pytest.mark.parametrize(
        "given",
        [
            {"slow_loop": 4, "loop_timeout": 5},
            {"slow_loop": 4, "loop_timeout": "none"},
            {"slow_loop": "none", "loop_timeout": 4},
            {"loop_timeout": 4},
            {"slow_loop": 4},
        ],
    )
    def test_fine(self, shop: Path, given: Any) -> None:
        """In the right order, or with one of them off, they are taken."""
        assert load(shop, **given).groups[0].name == "default"


def test_exit_with_parent(shop: Path) -> None:
    """It is the service's, off unless asked for."""
    assert load(shop).exit_with_parent is False
    assert load(shop, exit_with_parent=True).exit_with_parent is True
    assert load(shop, 'target = "a:B"\nexit_with_parent = true').exit_with_parent is True


def test_policy_has_the_same_defaults() -> None:
    """A group's policy made without settings is that of settings that say nothing."""
    settings = {field.name: field.default for field in attrs.fields(GroupSettings)}
    policy = {field.name: field.default for field in attrs.fields(Policy)}
    assert policy == {name: settings[name] for name in policy}
