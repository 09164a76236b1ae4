"""Settings for what the system gives a worker: user, umask, priority, limits, variables."""

from __future__ import annotations

import grp
import os
import pwd
import resource
from pathlib import Path
from typing import Any

import pytest

from naruto.errors import SettingsError
from naruto.settings import Source, written
from tests.settings.loading import load, refusal

ENDLESS = resource.RLIM_INFINITY
ROOT = pwd.getpwuid(0).pw_name
ROOTS = grp.getgrgid(0).gr_name


def group_of(shop: Path, /, toml: str | None = None, **given: Any) -> Any:
    """Load settings and return those of the only group."""
    if toml is not None:
        toml = f'target = "a:B"\n{toml}'
    [group] = load(shop, toml, **given).groups
    return group


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge rights as for root, whoever runs the tests."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge rights as for a user who has none."""
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(os, "getegid", lambda: 54321)
    monkeypatch.setattr(os, "getgid", lambda: 54321)


@pytest.mark.usefixtures("as_root")
class TestLimits:
    """A table of limits, or its text."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("nofile=1024 as=1GB", {"nofile": 1024, "as": 2**30}),
            (" core=0,nproc=unlimited, cpu=1m ", {"core": 0, "nproc": ENDLESS, "cpu": 60}),
            ("cpu=1.5", {"cpu": 2}),
            ("stack=8M data=0 rss=1k", {"stack": 2**23, "data": 0, "rss": 1024}),
        ],
    )
    def test_text(self, shop: Path, text: str, value: dict[str, int]) -> None:
        """Blanks or commas part them; bytes, seconds (rounded up) and numbers."""
        assert group_of(shop, limits=text).limits == value
        assert group_of(shop, NARUTO_LIMITS=text).limits == value
        assert group_of(shop, f'limits = "{text}"').limits == value

    def test_table(self, shop: Path) -> None:
        """TOML's own values do as well, and a program's dict."""
        toml = 'limits = {nofile = 64, as = "1GB", core = 0, nproc = "unlimited", cpu = 90}'
        found = {"nofile": 64, "as": 2**30, "core": 0, "nproc": ENDLESS, "cpu": 90}
        assert group_of(shop, limits={"nofile": 64}).limits == {"nofile": 64}
        assert group_of(shop, toml).limits == found

    def test_is_a_value(self, shop: Path) -> None:
        """Compared by content, hashed, and written so that it can be read again."""
        one, two = (group_of(shop, limits=t) for t in ("core=0 nproc=5", "nproc=5,core=0"))
        assert one == two and hash(one) == hash(two)
        assert one != group_of(shop, limits="core=0")
        text = written(group_of(shop, limits="as=1k,nproc=unlimited").limits)
        assert text == "as=1024 nproc=unlimited"
        assert group_of(shop, limits=text).limits == {"as": 1024, "nproc": ENDLESS}

    @pytest.mark.parametrize(
        ("text", "right"),
        [
            ("nofile=12 bogus=1", "unknown limit 'bogus'; known are as, core, cpu"),
            ("nofiles=12", "unknown limit 'nofiles'; did you mean 'nofile'?"),
            ("nofile", '"nofile" has no =; a table such as {nofile = 1024}'),
            ("nofile=1 nofile=2", "nofile stands there twice"),
            ("nofile=many", 'nofile: a whole number of at least 0 is needed, or "unlimited"'),
            ("nofile=-1", 'nofile: a whole number of at least 0 is needed, or "unlimited"'),
            ("as=1XB", 'as: "1XB" is no size'),
            ("as=", 'as: "" is no size'),
            ("cpu=none", 'cpu: "none" is no duration'),
            ("as=9999999999G", 'as: "9999999999G" is too much; write "unlimited"'),
        ],
    )
    def test_bad_text(self, shop: Path, text: str, right: str) -> None:
        """Refused with the place, the limit, and what is right."""
        for given, place in (
            ({"limits": text}, f"--limits {text}: "),
            ({"NARUTO_LIMITS": text}, f"NARUTO_LIMITS={text}: "),
        ):
            said = refusal(shop, **given)
            assert said.startswith(place) and right in said

    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            ("limits = 5", "limits = 5: a table such as {nofile = 1024}"),
            ('limits = ["nofile=5"]', 'limits = ["nofile=5"]: a table such as'),
            ("limits = {nofil = 5}", "limits = {nofil = 5}: unknown limit 'nofil'; did you"),
            ("limits = {nofile = true}", "limits = {nofile = true}: nofile: a whole number"),
            ("limits = {core = false}", "limits = {core = false}: core: false is no size"),
            ("limits = {as = -5}", "limits = {as = -5}: as: -5 is no size"),
            ("[limits]\nas = 1.5", "limits = {as = 1.5}: as: 1.5 is no size"),
        ],
    )
    def test_bad_type(self, shop: Path, toml: str, said: str) -> None:
        """In the file the table is shown as TOML writes it."""
        assert refusal(shop, f'target = "a:B"\n{toml}').startswith(f"naruto.toml: {said}")


class TestEnvironment:
    """A table of variables, or its text, quoted as for a shell."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("A=1 B='two words'", {"A": "1", "B": "two words"}),
            ("_x1= Y=a=b,c", {"_x1": "", "Y": "a=b,c"}),
        ],
    )
    def test_text(self, shop: Path, text: str, value: dict[str, str]) -> None:
        """Blanks part them, and what is written can be read again."""
        assert group_of(shop, environment=text).environment == value
        assert group_of(shop, NARUTO_ENVIRONMENT=text).environment == value
        again = written(group_of(shop, environment=text).environment)
        assert group_of(shop, environment=again).environment == value

    def test_table(self, shop: Path) -> None:
        """Numbers and booleans are taken as the text that TOML has for them."""
        toml = 'environment = {A = 1, B = 0.5, C = true, D = "d d", E = ""}'
        assert group_of(shop, toml).environment == {
            "A": "1",
            "B": "0.5",
            "C": "true",
            "D": "d d",
            "E": "",
        }

    @pytest.mark.parametrize(
        ("text", "right"),
        [
            ("A", '"A" has no =; a table such as {TZ = "UTC"}'),
            ("A='x", "no closing quotation"),
            ("1A=5", '"1A" is no name of a variable'),
            ("=5", '"" is no name of a variable'),
            ("A-B=5", '"A-B" is no name of a variable'),
            ("NARUTO_WORKERS=5", "begin with NARUTO_ or _NARUTO are naruto's own"),
            ("_NARUTO_STATE=5", "begin with NARUTO_ or _NARUTO are naruto's own"),
            ("A=1 A=2", "A stands there twice"),
        ],
    )
    def test_bad_text(self, shop: Path, text: str, right: str) -> None:
        """Refused with the place, the variable, and what is right."""
        said = refusal(shop, environment=text)
        assert said.startswith(f"--environment {text}: ") and right in said
        assert right in refusal(shop, NARUTO_ENVIRONMENT=text)

    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            ("environment = 5", "environment = 5: a table such as"),
            ("environment = {A = [1]}", "environment = {A = [1]}: A: a text or a number"),
            ("environment = {A = {}}", "environment = {A = {}}: A: a text or a number"),
            ('environment = {"A B" = 1}', 'environment = {"A B" = 1}: "A B" is no name'),
            ('environment = {A = "\\u0000"}', 'environment = {A = "\\u0000"}: A: a text'),
            ("environment.NARUTO_X = 1", "environment = {NARUTO_X = 1}: NARUTO_X: names"),
        ],
    )
    def test_bad_type(self, shop: Path, toml: str, said: str) -> None:
        """In the file the table is shown as TOML writes it."""
        assert refusal(shop, f'target = "a:B"\n{toml}').startswith(f"naruto.toml: {said}")


@pytest.mark.parametrize("key", ["limits", "environment"])
def test_dict_of_something_else(shop: Path, key: str) -> None:
    """What a program gives in place of names is refused as well."""
    said = refusal(shop, **{key: {1: "x"}})
    assert said.startswith(f"--{key} ") and "a table such as {" in said


class TestMerged:
    """In limits and environment each key counts for itself, whichever place it stands in."""

    FILE = """
        [environment]
        A = "top"
        B = "top"
        [limits]
        core = 0
        [groups.x]
        target = "a:B"
        environment = {B = "group", C = "group"}
        limits = {nofile = 64}
        [groups.y]
        target = "a:C"
    """

    def test_group_over_top(self, shop: Path) -> None:
        """A group's table adds to the service's; nothing of another group's comes in."""
        x, y = load(shop, self.FILE).groups
        assert x.environment == {"A": "top", "B": "group", "C": "group"}
        assert x.limits == {"core": 0, "nofile": 64}
        assert (y.environment, y.limits) == ({"A": "top", "B": "top"}, {"core": 0})

    def test_outer_over_file(self, shop: Path) -> None:
        """Command line and environment add and override; all the places are told."""
        given = {"environment": "C=line", "NARUTO_ENVIRONMENT": "B=variable C=variable"}
        settings = load(shop, self.FILE, **given)
        x = settings.groups[0]
        assert x.environment == {"A": "top", "B": "variable", "C": "line"}
        assert settings.origins["groups.x.environment"] == (
            "command line and environment NARUTO_ENVIRONMENT and naruto.toml"
        )
        assert settings.origins["groups.x.limits"] == "naruto.toml"


class TestUmask:
    """Octal, and unmistakably so."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [("022", 0o22), ("0o027", 0o27), ("77", 0o77), ("0", 0), ("0777", 0o777)],
    )
    def test_text(self, shop: Path, text: str, value: int) -> None:
        """Digits are octal with and without a leading 0; it is written in octal again."""
        for group in (
            group_of(shop, umask=text),
            group_of(shop, NARUTO_UMASK=text),
            group_of(shop, f'umask = "{text}"'),
        ):
            assert group.umask == value
            assert int(written(group.umask), 8) == value
        assert written(group_of(shop, umask="22").umask) == "022"

    @pytest.mark.parametrize("text", ["8", "1000", "-1", "u=rwx", "0x12", "18.0"])
    def test_bad_text(self, shop: Path, text: str) -> None:
        """What is no octal number from 000 to 777 is refused."""
        said = refusal(shop, umask=text)
        assert said.startswith(f'--umask {text}: a mask in octal from "000" to "777" is needed')

    @pytest.mark.parametrize("toml", ["umask = 22", "umask = 0o22"])
    def test_number(self, shop: Path, toml: str) -> None:
        """A number is refused: nobody can tell in which base it was meant."""
        assert 'write it in quotes, in octal: "022"' in refusal(shop, f'target="a:B"\n{toml}')

    @pytest.mark.parametrize("toml", ["umask = true", "umask = []"])
    def test_bad_type(self, shop: Path, toml: str) -> None:
        """Other types are refused as well."""
        assert "a mask in octal" in refusal(shop, f'target="a:B"\n{toml}')


class TestUserAndGroup:
    """Names that this system knows, and rights that this process has."""

    @pytest.mark.usefixtures("as_root")
    def test_known(self, shop: Path) -> None:
        """Root may run workers as anybody."""
        group = group_of(shop, f'user = "{ROOT}"\ngroup = "{ROOTS}"')
        assert (group.user, group.group) == (ROOT, ROOTS)

    @pytest.mark.parametrize("key", ["user", "group"])
    @pytest.mark.parametrize("name", ["no-such-one", "0", "a b", "x\0"])
    def test_unknown(self, shop: Path, key: str, name: str) -> None:
        """What the system does not know is refused, a number too."""
        assert f"there is no {key} '{name}' on this system" in refusal(shop, **{key: name})

    @pytest.mark.parametrize("toml", ["user = 0", "group = 0", 'user = ""', "user = true"])
    def test_bad_type(self, shop: Path, toml: str) -> None:
        """Only a name will do."""
        assert f"{toml}: the name of a " in refusal(shop, f'target="a:B"\n{toml}')

    @pytest.mark.usefixtures("not_root")
    @pytest.mark.parametrize(("key", "name"), [("user", ROOT), ("group", ROOTS)])
    def test_needs_root(self, shop: Path, key: str, name: str) -> None:
        """Who is not root can't become another; the place is named."""
        said = refusal(shop, f'[groups.x]\ntarget="a:B"\n{key} = "{name}"')
        assert said == (
            f'naruto.toml: groups.x.{key} = "{name}": to run as another {key} needs root'
        )

    def test_oneself(self, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Everybody may run workers as the user that one is already."""
        other = next(user for user in pwd.getpwall() if user.pw_uid != 0)
        monkeypatch.setattr(os, "geteuid", lambda: other.pw_uid)
        monkeypatch.setattr(os, "getegid", lambda: other.pw_gid)
        own = grp.getgrgid(other.pw_gid).gr_name
        group = group_of(shop, user=other.pw_name, group=own)
        assert (group.user, group.group) == (other.pw_name, own)

    @pytest.mark.usefixtures("not_root")
    def test_what_is_overridden(self, shop: Path) -> None:
        """A right that nobody needs in the end hinders nobody."""
        toml = 'nice = -20\n[groups.x]\ntarget = "a:B"\nnice = 19'
        assert load(shop, toml).groups[0].nice == 19

    @pytest.mark.usefixtures("not_root")
    def test_only_to_run(self, shop: Path) -> None:
        """Who only looks for the service that runs needs no rights."""
        source = Source({"user": ROOT, "limits": "nofile=unlimited"}, None, str(shop), {})
        assert source.load(to_run=False).groups[0].user == ROOT
        with pytest.raises(SettingsError, match="needs root"):
            source.load()


class TestRights:
    """What needs root is refused beforehand where that can be known."""

    @pytest.mark.usefixtures("as_root")
    @pytest.mark.parametrize(
        ("text", "value"), [("-20", -20), ("19", 19), ("0", 0), (" -5 ", -5)]
    )
    def test_nice(self, shop: Path, text: str, value: int) -> None:
        """From -20 to 19."""
        assert group_of(shop, nice=text).nice == value

    @pytest.mark.parametrize("text", ["-21", "20", "--5", "low", "1.0"])
    def test_bad_nice(self, shop: Path, text: str) -> None:
        """What is none of them is refused."""
        said = refusal(shop, nice=text)
        assert said == f"--nice {text}: a whole number from -20 to 19 is needed"

    @pytest.mark.usefixtures("not_root")
    def test_nicer_needs_root(self, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Less than the current priority needs root, as much or more does not."""
        monkeypatch.setattr(os, "getpriority", lambda which, who: 5)
        monkeypatch.setattr(resource, "getrlimit", lambda which: (0, 0))
        assert refusal(shop, nice=4) == "--nice 4: less than 5 needs root"
        assert group_of(shop, nice=5).nice == 5
        monkeypatch.setattr(resource, "getrlimit", lambda which: (22, 22))
        assert group_of(shop, nice=-2).nice == -2  # RLIMIT_NICE allows it, see getrlimit(2)

    @pytest.mark.usefixtures("not_root")
    def test_more_than_the_hard_limit(
        self, shop: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Up to the hard limit everybody may go, root further; all the places are named."""
        monkeypatch.setattr(resource, "getrlimit", lambda which: (50, 100))
        assert group_of(shop, limits="nofile=100").limits == {"nofile": 100}
        said = refusal(shop, limits="nofile=101", NARUTO_LIMITS="core=0")
        assert said == (
            "--limits nofile=101 over NARUTO_LIMITS=core=0: "
            "nofile: more than the hard limit, 100, needs root"
        )
        assert "needs root" in refusal(shop, limits="as=unlimited")
        monkeypatch.setattr(resource, "getrlimit", lambda which: (50, ENDLESS))
        assert group_of(shop, limits="as=unlimited").limits == {"as": ENDLESS}
