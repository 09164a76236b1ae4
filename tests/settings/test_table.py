"""The one table of settings, and what counts when nobody says anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from naruto.core.units import Share
from naruto.settings import OPTIONS, GroupSettings, Settings, written
from tests.settings.loading import load


class TestDefaults:
    """What counts when nobody says anything."""

    def test_nothing_at_all(self, shop: Path) -> None:
        """With no file and no target there is one group for the demo."""
        assert load(shop) == Settings(
            name="demo", directory=str(shop), groups=(GroupSettings(name="default"),)
        )

    def test_group(self) -> None:
        """The built-in defaults are those of the design."""
        group = GroupSettings(name="default")
        assert (group.workers, group.surge, group.overlap) == (1, Share(25, percent=True), True)
        assert (group.start_timeout, group.canary_timeout) == (30.0, 10.0)
        assert (group.stop_timeout, group.min_uptime) == (25.0, 1.0)

    def test_what_the_worker_obeys(self) -> None:
        """Those are None when not set, so the class may decide; the table knows the default."""
        table = {o.name: o.default for o in OPTIONS if o.obeyed_by == "worker"}
        assert table == {"interval": 0.2, "max_interval": 2.0, "max_errors": 5}
        assert all(getattr(GroupSettings(name="x"), name) is None for name in table)

    def test_settings_are_values(self, shop: Path) -> None:
        """Where a value came from does not make settings differ, and they can be hashed."""
        by_line, by_file = load(shop, "", target="a:B"), load(shop, 'target = "a:B"')
        assert by_line.origins != by_file.origins
        assert by_line == by_file
        assert hash(by_line) == hash(by_file)


class TestTable:
    """The one table that command line, environment, file and docs are made from."""

    def test_every_field_is_an_option(self) -> None:
        """Each setting of both classes is in the table once, with help and a default."""
        fields = {f.name for f in (*attrs.fields(Settings), *attrs.fields(GroupSettings))}
        names = [option.name for option in OPTIONS]
        assert fields - {"config", "groups", "origins"} == set(names)
        assert len(names) == len(set(names))
        assert all(option.help and option.metavar for option in OPTIONS)

    @pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
    def test_default_can_be_written(self, option: Any) -> None:
        """Every default is itself a value that its reader accepts as text."""
        if option.default is not None:
            text = written(option.default)
            assert option.parse(text) == option.default == option.parse(option.default)

    def test_names(self) -> None:
        """One name makes the flag and the variable; the target is positional."""
        table = {option.name: option for option in OPTIONS}
        assert table["stop_timeout"].flag == "--stop-timeout"
        assert table["stop_timeout"].variable == "NARUTO_STOP_TIMEOUT"
        assert table["target"].flag == "TARGET"
        assert [o.name for o in OPTIONS if o.is_flag] == [
            *("exit_with_parent", "overlap", "preload"),
        ]
        assert [o.name for o in OPTIONS if o.is_table] == ["limits", "environment"]
        assert {o.name for o in OPTIONS if o.is_path} == {"run_dir", "directory", "log_file"}
