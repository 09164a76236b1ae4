"""Limits, niceness and rights are given up for good, or the process is told why not."""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from naruto.unix import rights
from tests.unix.forked import ROOT, in_child

as_root = pytest.mark.skipif(not ROOT, reason="only root can become another")
NOBODY = pwd.getpwnam("nobody")
NOGROUP = 54321
"""A number that is nobody's."""


def _refused(work: Callable[[], object]) -> str:
    """Do something in a child that must fail; return the words."""

    def try_it() -> str:
        try:
            work()
        except (OSError, ValueError) as error:
            return str(error)
        raise AssertionError("it worked")

    return str(in_child(try_it))


def _as_nobody(work: Callable[[], object]) -> Callable[[], object]:
    """Do something without any rights, whoever runs this suite."""

    def work_as_nobody() -> object:
        if ROOT:
            os.setgroups([])
            os.setresgid(*3 * (NOBODY.pw_gid,))
            os.setresuid(*3 * (NOBODY.pw_uid,))
        return work()

    return work_as_nobody


def _who() -> Any:
    return os.getresuid(), os.getresgid(), sorted(os.getgroups())


def test_limits_are_soft_and_hard() -> None:
    """Each is set, and nothing is left to be raised again."""

    def work() -> Any:
        rights.set_limits({"nofile": 50, "core": 0, "stack": 1 << 20})
        return [resource.getrlimit(rights.LIMITS[name]) for name in ("nofile", "core", "stack")]

    assert in_child(work) == [[50, 50], [0, 0], [1 << 20, 1 << 20]]


@pytest.mark.parametrize(
    "name",
    ["as", "core", "cpu", "data", "fsize", "memlock", "nofile", "nproc", "rss", "stack"],
)
def test_the_usual_limits_have_names(name: str) -> None:
    """What a user would write is there, and is what getrlimit(2) calls so."""
    assert rights.LIMITS[name] == getattr(resource, f"RLIMIT_{name.upper()}")


def test_a_limit_works() -> None:
    """A process that may have five descriptors gets no more."""

    def work() -> bool:
        rights.set_limits({"nofile": 5})
        try:
            while True:
                os.dup(0)
        except OSError:
            return True

    assert in_child(work)


def test_no_limit_at_all() -> None:
    """A soft limit can be taken away where there's no hard one."""
    hard = {name: resource.getrlimit(limit)[1] for name, limit in rights.LIMITS.items()}
    name = next(name for name in hard if hard[name] == resource.RLIM_INFINITY)

    def work() -> Any:
        resource.setrlimit(rights.LIMITS[name], (1 << 30, resource.RLIM_INFINITY))
        rights.set_limits({name: resource.RLIM_INFINITY})
        return resource.getrlimit(rights.LIMITS[name])

    assert in_child(work) == [resource.RLIM_INFINITY] * 2


def test_a_limit_that_can_not_be_raised() -> None:
    """The words say which, and how far one could go."""

    def work() -> None:
        rights.set_limits({"nofile": 60})
        rights.set_limits({"nofile": 61})

    words = _refused(_as_nobody(work))
    assert words.startswith("limit nofile = 61: not allowed")
    assert words.endswith("(the hard limit is 60)")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"nofiles": 5}, "no such limit: 'nofiles' (there are as, core, "),
        ({"nofile": -2}, "limit nofile = -2: must not be negative"),
        ({"as": 1 << 80}, "too large"),
    ],
)
def test_a_limit_that_makes_no_sense(limits: dict[str, int], words: str) -> None:
    """Nothing is guessed."""
    assert words in _refused(lambda: rights.set_limits(limits))


def test_nice_is_absolute() -> None:
    """The value counts, not what it was before."""

    def work() -> Any:
        rights.set_nice(15)
        rights.set_nice(17)
        return os.getpriority(os.PRIO_PROCESS, 0)

    assert in_child(work) == 17


@as_root
def test_root_may_be_rude() -> None:
    """A negative niceness is a niceness."""

    def work() -> Any:
        rights.set_nice(-5)
        return os.getpriority(os.PRIO_PROCESS, 0)

    assert in_child(work) == -5


def test_nice_in_vain() -> None:
    """Others may not be rude; and what the kernel would clip is an error."""
    assert _refused(_as_nobody(lambda: rights.set_nice(-20))).endswith(
        ("nice -20: Permission denied", "nice -20: Operation not permitted")
    )
    assert _refused(lambda: rights.set_nice(20)) == "nice 20: must be from -20 to 19"
    assert _refused(lambda: rights.set_nice(-21)) == "nice -21: must be from -20 to 19"


def test_lookup() -> None:
    """By name, by number, with a group of its own or another, and nobody in particular."""
    nobody = rights.Identity(NOBODY.pw_uid, NOBODY.pw_gid, "nobody")
    assert rights.lookup("nobody", None) == nobody
    assert rights.lookup(str(NOBODY.pw_uid), None) == nobody
    assert rights.lookup("nobody", "root") == rights.Identity(NOBODY.pw_uid, 0, "nobody")
    assert rights.lookup("54321", "54322") == rights.Identity(54321, 54322, "")
    assert rights.lookup(None, None) == rights.Identity(os.getuid(), os.getgid(), "")
    assert str(nobody) == f"user nobody (uid {NOBODY.pw_uid}, gid {NOBODY.pw_gid})"


@pytest.mark.parametrize(
    ("user", "group", "words"),
    [
        ("nobody-here", None, "no such user: 'nobody-here'"),
        ("", None, "no such user: ''"),
        ("-1", None, "no such user: '-1'"),
        (str(2**32 - 1), None, f"no such user: '{2**32 - 1}'"),
        (None, "nobody-here", "no such group: 'nobody-here'"),
        ("54321", None, "user 54321 has no name and so no group: say which group"),
    ],
)
def test_lookup_in_vain(user: str | None, group: str | None, words: str) -> None:
    """The number that means "unchanged" to the kernel is no user: it would stay root."""
    with pytest.raises(ValueError) as raised:
        rights.lookup(user, group)
    assert str(raised.value) == words


@as_root
@pytest.mark.parametrize("user", ["nobody", "daemon"])
def test_become_a_user(user: str) -> None:
    """All three ids are the user's, and the groups are what the database says: none of ours."""

    def work() -> Any:
        os.setgroups([0, NOGROUP])
        rights.become(user, None)
        return _who()

    entry = pwd.getpwnam(user)
    groups = sorted(os.getgrouplist(user, entry.pw_gid))
    assert in_child(work) == [[entry.pw_uid] * 3, [entry.pw_gid] * 3, groups]


@as_root
def test_become_a_user_with_another_group() -> None:
    """The group is the one asked for; a number without a name has that group alone."""

    def work(user: str) -> Callable[[], object]:
        def become() -> object:
            os.setgroups([0])
            rights.become(user, str(NOGROUP))
            return _who()

        return become

    uid, gid, groups = in_child(work("nobody"))
    assert (uid, gid) == ([NOBODY.pw_uid] * 3, [NOGROUP] * 3)
    assert NOGROUP in groups and 0 not in groups
    assert in_child(work("54321")) == [[54321] * 3, [NOGROUP] * 3, [NOGROUP]]


@as_root
def test_a_group_alone() -> None:
    """The user stays, root's other groups go."""

    def work() -> Any:
        os.setgroups([0, 1, 2])
        rights.become(None, "daemon")
        return _who()

    daemon = rights.lookup(None, "daemon").gid
    assert in_child(work) == [[0] * 3, [daemon] * 3, [daemon]]


@as_root
def test_there_is_no_way_back() -> None:
    """Neither root nor its groups can be had again, nor are there capabilities left."""

    def work() -> Any:
        rights.become("nobody", None)
        for again in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
            with pytest.raises(PermissionError):
                again()
        with open("/proc/self/status") as file:
            return [line.split()[1] for line in file if line.startswith(("CapPrm", "CapEff"))]

    assert in_child(work) == ["0" * 16] * 2


@as_root
def test_a_way_back_is_an_error() -> None:
    """Who keeps a capability over setuid could be root again: that is found, and raised."""

    def work() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        secbits, no_setuid_fixup = 28, 1 << 2  # prctl(2), capabilities(7)
        assert libc.prctl(secbits, no_setuid_fixup, 0, 0, 0) == 0
        rights.become("nobody", None)

    assert _refused(work).endswith("and no more: the user can become root again")


@as_root
def test_a_saved_id_is_not_overlooked() -> None:
    """A process that is the user but for its saved id is not taken for the user."""

    def work() -> None:
        os.setgroups([])
        os.setresgid(*3 * (NOBODY.pw_gid,))
        os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, 0)
        rights.become("nobody", None)

    assert _refused(work).startswith("[Errno 1] can't become user nobody")


def test_ourselves() -> None:
    """Without rights one may still ask to be who one is; nothing changes."""

    def work() -> Any:
        me = pwd.getpwuid(os.getuid()).pw_name
        before = _who()
        rights.become(None, None)
        rights.become(me, None)
        return _who() == before

    if ROOT:
        assert in_child(_as_nobody(work))
    else:
        assert in_child(work)


def test_somebody_else_without_rights() -> None:
    """It is refused, with who was wanted and who we are."""
    words = _refused(_as_nobody(lambda: rights.become("root", None)))
    assert "can't become user root (uid 0, gid 0): Operation not permitted" in words
    assert "(we are uid " in words
    assert "Operation not permitted" in _refused(
        _as_nobody(lambda: rights.become(None, "daemon"))
    )


@as_root
def test_ourselves_with_more_groups_than_ours() -> None:
    """Groups that were not asked for, and can't be given up, are more rights."""

    def work() -> None:
        os.setgroups([NOGROUP])
        os.setresgid(*3 * (NOBODY.pw_gid,))
        os.setresuid(*3 * (NOBODY.pw_uid,))
        rights.become("nobody", None)

    assert "can't become user nobody" in _refused(work)


@as_root
def test_a_program_started_then_has_no_more() -> None:
    """What the user's code starts is the user as well."""

    def work() -> Any:
        rights.become("daemon", None)
        status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True)
        lines = dict(line.split(":", 1) for line in status.stdout.splitlines())
        return [lines[name].split() for name in ("Uid", "Gid")]

    daemon = pwd.getpwnam("daemon")
    assert in_child(work) == [[str(daemon.pw_uid)] * 4, [str(daemon.pw_gid)] * 4]
