"""Targets and groups: one or several, never both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naruto.settings import GroupSettings
from tests.settings.loading import load, refusal


class TestGroups:
    """Targets and groups: one or several, never both."""

    def test_top_level_target(self, shop: Path) -> None:
        """A target without groups makes one, called "default"."""
        settings = load(shop, 'target = "shop:Orders"\nworkers = 2')
        assert settings.groups == (
            GroupSettings(name="default", target="shop:Orders", workers=2),
        )

    @pytest.mark.parametrize(
        ("given", "called"),
        [
            ({"target": "a:B"}, "TARGET a:B: "),
            ({"NARUTO_TARGET": "a:B"}, "NARUTO_TARGET=a:B: "),
        ],
    )
    def test_target_and_groups(self, shop: Path, given: Any, called: str) -> None:
        """A target from outside does not say which group it is for."""
        toml = '[groups.orders]\ntarget = "a:B"\n[groups.mails]\ntarget = "a:C"'
        said = refusal(shop, toml, **given)
        assert said.startswith(f"{called}naruto.toml has groups (orders, mails), ")
        assert "not both" in said

    def test_target_at_top_and_groups(self, shop: Path) -> None:
        """In the file itself the two exclude each other as well."""
        said = refusal(shop, 'target = "a:B"\n[groups.orders]\ntarget = "a:C"')
        assert said.startswith('naruto.toml: target = "a:B": naruto.toml has groups (orders), ')

    @pytest.mark.parametrize("toml", ["", "workers = 3", "[groups]"])
    def test_nothing_to_run(self, shop: Path, toml: str) -> None:
        """A settings file that names no target is a mistake, not a wish for the demo."""
        assert refusal(shop, toml) == "naruto.toml: no target and no [groups.NAME]"
        assert load(shop, toml, target="a:B").groups[0].target == "a:B"

    def test_group_without_target(self, shop: Path) -> None:
        """Each group needs a target of its own."""
        assert refusal(shop, "[groups.a]\nworkers=2") == "naruto.toml: groups.a: no target"

    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            ("groups = 3", "groups: tables [groups.NAME] are needed"),
            ("[[groups]]", "groups: tables [groups.NAME] are needed"),
            ("[groups]\na = 3", "groups.a: a table of settings is needed"),
            ('[groups."my orders"]', 'groups."my orders": a name is 1 to 64 of the characters'),
        ],
    )
    def test_shape(self, shop: Path, toml: str, said: str) -> None:
        """What is no table of groups is refused."""
        assert refusal(shop, toml).startswith(f"naruto.toml: {said}")
