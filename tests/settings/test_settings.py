"""Settings come from the right place, and whatever is wrong is refused in words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from naruto.core.units import Share
from naruto.errors import SettingsError
from naruto.settings import GROUP_OPTIONS, OPTIONS, GroupSettings, Settings, Source, written

NO_ENVIRONMENT: Mapping[str, str] = {}


class Orders:
    """A target handed over as an object."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A working directory called "shop"."""
    directory = tmp_path / "shop"
    directory.mkdir()
    return directory


def load(
    directory: Path, /, toml: str | None = None, config: str | None = None, **given: Any
) -> Settings:
    """Load settings: UPPER_CASE arguments are the environment, the others the command line."""
    if toml is not None:
        (directory / "naruto.toml").write_text(toml)
    environ = {key: value for key, value in given.items() if key.isupper()}
    options = {key: value for key, value in given.items() if not key.isupper()}
    return Source(options, config, str(directory), environ).load()


def refusal(directory: Path, /, toml: str | None = None, **given: Any) -> str:
    """Return what is said when the settings are refused."""
    with pytest.raises(SettingsError) as caught:
        load(directory, toml, **given)
    assert caught.value.status == 2
    return str(caught.value)


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
        source = Source({}, None, str(shop), NO_ENVIRONMENT)
        before = source.load()
        (shop / "naruto.toml").write_text('target = "shop:A"\nworkers = 7')
        assert (before.groups[0].workers, source.load().groups[0].workers) == (1, 7)


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
