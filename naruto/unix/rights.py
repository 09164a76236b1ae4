"""What a process gives up before it runs somebody else's code: limits, niceness, its user.

In this order, because the first two may need the rights that the third gives up. Whatever
fails is raised in words; who called must then not go on.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import resource
from collections.abc import Callable, Iterator, Mapping

import attrs

LIMITS = {
    name.removeprefix("RLIMIT_").lower(): getattr(resource, name)
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"  # BSD's name of nofile
}
"""What this platform limits, by name: "nofile", "as", "core" ... (getrlimit(2))."""

_NICEST, _RUDEST = 19, -20


@attrs.frozen
class Identity:
    """Who a process is to be.

    Attributes:
        name: Of the user; "" where no user was asked for, or a number that has no name.
    """

    uid: int
    gid: int
    name: str

    @property
    def groups(self) -> list[int]:
        """All groups, as initgroups(3) sets them; asks the user database."""
        return os.getgrouplist(self.name, self.gid) if self.name else [self.gid]

    def __str__(self) -> str:
        """In words."""
        return f"user {self.name or self.uid} (uid {self.uid}, gid {self.gid})"


def set_limits(limits: Mapping[str, int]) -> None:
    """Set each limit, the soft and the hard one.

    Args:
        limits: Name to value, in the units of getrlimit(2); resource.RLIM_INFINITY for none.

    Raises:
        ValueError: No such limit, or no such value.
        OSError: The kernel would not: higher than the hard limit, and no rights to raise it.
    """
    for name, value in limits.items():
        if name not in LIMITS:
            raise ValueError(f"no such limit: {name!r} (there are {', '.join(sorted(LIMITS))})")
        if value < 0 and value != resource.RLIM_INFINITY:
            raise ValueError(f"limit {name} = {value}: must not be negative")
        try:
            resource.setrlimit(LIMITS[name], (value, value))
        except OverflowError:
            raise ValueError(f"limit {name} = {value}: too large a number") from None
        except (OSError, ValueError) as error:  # CPython makes a ValueError of EPERM
            most = resource.getrlimit(LIMITS[name])[1]
            raise PermissionError(
                f"limit {name} = {value}: {error} (the hard limit is {most})"
            ) from error


def set_nice(value: int) -> None:
    """Set the niceness, from -20 to 19, whatever it was before.

    Linux sets it for the calling thread alone (setpriority(2)): call it before any other.

    Raises:
        ValueError: No such niceness; the kernel would silently take the nearest.
        PermissionError: Only root may be less nice than before, but for RLIMIT_NICE.
    """
    if not _RUDEST <= value <= _NICEST:
        raise ValueError(f"nice {value}: must be from {_RUDEST} to {_NICEST}")
    try:
        os.setpriority(os.PRIO_PROCESS, 0, value)
    except OSError as error:
        raise PermissionError(error.errno, f"nice {value}: {error.strerror}") from error


def lookup(user: str | None, group: str | None) -> Identity:
    """Find a user and a group by name, or by number where there's no such name.

    Without a user it is this process's own; without a group, the user's.

    Raises:
        ValueError: There's no such user or group, or a number without a name has no group.
    """
    uid, gid, name = os.getuid(), os.getgid(), ""
    if user is not None:
        uid, own, name = _user(user)
        if own is None and group is None:
            raise ValueError(f"user {user} has no name and so no group: say which group")
        gid = gid if own is None else own
    return Identity(uid, gid if group is None else _group(group), name)


def _user(user: str) -> tuple[int, int | None, str]:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        number = _number("user", user)
        try:
            entry = pwd.getpwuid(number)
        except KeyError:
            return number, None, ""
    return entry.pw_uid, entry.pw_gid, entry.pw_name


def _group(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return _number("group", group)


def _number(kind: str, text: str) -> int:
    """Return a number for an id; the last one of 32 bits means "unchanged" to the kernel."""
    if text.isascii() and text.isdigit() and int(text) < 2**32 - 1:
        return int(text)
    raise ValueError(f"no such {kind}: {text!r}")


def become(user: str | None, group: str | None) -> None:
    """Become a user with its groups, or have one group alone, for good; with both None, stay.

    The capabilities go with uid 0 (capabilities(7)). So does the parent-death signal, and
    /proc/self belongs to root from then on (prctl(2), PR_SET_DUMPABLE).

    Raises:
        ValueError: As lookup.
        OSError: Not allowed; or the process would have more rights than asked for. It may
            be half changed: do not go on.
    """
    if user is None and group is None:
        return
    wanted = lookup(user, group)
    groups = wanted.groups
    if _more_than(wanted, groups):
        with _in_words(wanted):
            os.setgroups(groups)  # first: afterwards there's no right to
            os.setresgid(wanted.gid, wanted.gid, wanted.gid)
            os.setresuid(wanted.uid, wanted.uid, wanted.uid)
    if more := _more_than(wanted, groups) or _ways_back(wanted):
        raise PermissionError(f"can't be {wanted} and no more: {more}")


@contextlib.contextmanager
def _in_words(wanted: Identity) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        who = f"can't become {wanted}: {error.strerror}"
        raise OSError(error.errno, f"{who} (we are uid {os.geteuid()})") from error


def _more_than(wanted: Identity, groups: list[int]) -> str:
    """Return how this process is another than wanted; fewer groups are no more rights."""
    if (ids := os.getresuid()) != (wanted.uid,) * 3:
        return f"user ids {ids}"
    if (ids := os.getresgid()) != (wanted.gid,) * 3:
        return f"group ids {ids}"
    more = sorted(set(os.getgroups()) - {wanted.gid, *groups})
    return f"groups {more} as well" if more else ""


def _ways_back(wanted: Identity) -> str:
    """Return how root could be had again: by a capability that was not root's to lose."""
    if wanted.uid == 0:
        return ""
    if _works(lambda: os.setresuid(-1, 0, -1)):
        return "the user can become root again"
    if wanted.gid != 0 and _works(lambda: os.setresgid(-1, 0, -1)):
        return "the group can become root's again"
    if _works(lambda: os.setgroups([wanted.gid])):
        return "the groups can be changed"
    return ""


def _works(change: Callable[[], None]) -> bool:
    try:
        change()
    except PermissionError:
        return False
    return True
