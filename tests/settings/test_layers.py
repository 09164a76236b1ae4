"""Settings come from the right place, and which place counts is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naruto.settings import GROUP_OPTIONS, OPTIONS, Source
from tests.settings.loading import load, refusal


class TestPrecedence:
    """Command line over environment over group table over top of the file over default."""

    FILE = """
        workers = 2
        log_level = "debug"
        [groups.orders]
        target = "shop:Orders"
        workers = 3
        [groups.mails]
        target = "shop:Mails"
    """

    @pytest.mark.parametrize(
        ("given", "workers", "origins"),
        [
            ({}, (3, 2), ("naruto.toml", "naruto.toml")),
            ({"NARUTO_WORKERS": "4"}, (4, 4), ("environment NARUTO_WORKERS",) * 2),
            ({"NARUTO_WORKERS": "4", "workers": 5}, (5, 5), ("command line",) * 2),
            ({"NARUTO_WORKERS": "", "workers": None}, (3, 2), ("naruto.toml",) * 2),
        ],
    )
    def test_group_setting(
        self, shop: Path, given: Any, workers: tuple[int, ...], origins: tuple[str, ...]
    ) -> None:
        """Who stands further out wins for all groups; empty and None are not given."""
        settings = load(shop, self.FILE, **given)
        assert [group.name for group in settings.groups] == ["orders", "mails"]
        assert tuple(group.workers for group in settings.groups) == workers
        assert tuple(settings.origins[f"groups.{n}.workers"] for n in ("orders", "mails")) == (
            origins
        )

    @pytest.mark.parametrize(
        ("given", "level", "origin"),
        [
            ({}, "debug", "naruto.toml"),
            ({"NARUTO_LOG_LEVEL": "ERROR"}, "error", "environment NARUTO_LOG_LEVEL"),
            (
                {"NARUTO_LOG_LEVEL": "error", "log_level": "Trace"},
                "trace",
                "command line",
            ),
        ],
    )
    def test_service_setting(self, shop: Path, given: Any, level: str, origin: str) -> None:
        """The same holds for what the service has one of."""
        settings = load(shop, self.FILE, **given)
        assert (settings.log_level, settings.origins["log_level"]) == (level, origin)

    def test_every_key_has_an_origin(self, shop: Path) -> None:
        """Each setting, and each of every group, says where it came from."""
        origins = load(shop, self.FILE).origins
        expected = {option.name for option in OPTIONS} | {
            f"groups.{group}.{option.name}"
            for group in ("orders", "mails")
            for option in GROUP_OPTIONS
        }
        assert set(origins) == expected
        assert origins["stop_timeout"] == origins["groups.orders.overlap"] == "default"
        assert origins["groups.mails.target"] == "naruto.toml"

    def test_what_is_overridden_must_still_be_right(self, shop: Path) -> None:
        """A wrong value in the file is refused even where another one counts."""
        assert "naruto.toml: workers" in refusal(shop, "workers = 0", workers=2, target="a:B")

    def test_load_reads_anew(self, shop: Path) -> None:
        """The same source, asked again, sees what the file says now: that is a reload."""
        (shop / "naruto.toml").write_text('target = "shop:A"')
        source = Source({}, None, str(shop), {})
        before = source.load()
        (shop / "naruto.toml").write_text('target = "shop:A"\nworkers = 7')
        assert (before.groups[0].workers, source.load().groups[0].workers) == (1, 7)


class TestSuspects:
    """Variables that look like a setting misspelt."""

    @pytest.mark.parametrize(
        ("variable", "meant"),
        [
            ("NARUTO_WORKRES", "NARUTO_WORKERS"),
            ("NARUTO_WORKER", "NARUTO_WORKERS"),
            ("NARUTO_LOGLEVEL", "NARUTO_LOG_LEVEL"),
            ("NARUTO_CONFG", "NARUTO_CONFIG"),
        ],
    )
    def test_near(self, variable: str, meant: str) -> None:
        """One that is nearly a setting is named with it."""
        source = Source({}, None, "/", {variable: "5"})
        assert source.suspects() == [f"{variable} is not a setting; did you mean {meant}?"]

    def test_others(self) -> None:
        """Settings, our own other variables and what Kubernetes injects are left alone."""
        names = [option.variable for option in OPTIONS]
        names += ["NARUTO_CONFIG", "NARUTO_PROBE", "_NARUTO_STATE", "WORKRES", "NARUTO_"]
        names += ["NARUTO_SERVICE_HOST", "NARUTO_SERVICE_PORT", "NARUTO_SERVICE_PORT_HTTP"]
        names += ["NARUTO_PORT", "NARUTO_PORT_80_TCP", "NARUTO_PORT_80_TCP_ADDR"]
        names += ["NARUTO_PORT_80_TCP_PROTO", "NARUTO_PORT_80_TCP_PORT"]
        assert Source({}, None, "/", dict.fromkeys(names, "x")).suspects() == []
