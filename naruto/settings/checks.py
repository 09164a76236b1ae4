"""What has to be right between settings, and between a setting and this process's rights.

Each single value is right already when it comes here; these look at what is in effect, so
that a value which somebody overrides hinders nobody.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource
from collections.abc import Mapping

from naruto.errors import SettingsError
from naruto.settings.file import SettingsFile
from naruto.settings.layers import Layer


def targets(service: Layer, tables: Mapping[str, Layer], file: SettingsFile | None) -> None:
    """Refuse a file that tells nothing to run, or two things where one is meant."""
    if file is None:
        return
    if tables and "target" in service:
        raise SettingsError(
            f"{service['target'].called}: {file.label} has groups ({', '.join(tables)}), "
            "each with a target of its own; give one target, or groups, not both"
        )
    if not tables and "target" not in service:
        raise SettingsError(f"{file.at()}: no target and no [groups.NAME]")
    for name, table in tables.items():
        if "target" not in table:
            raise SettingsError(f"{file.at('groups', name)}: no target")


def times(group: Layer) -> None:
    """Refuse a group's times that contradict one another."""
    low, high = group.get("interval"), group.get("max_interval")
    if low and high and high.value < low.value:
        raise SettingsError(f"{high.called}: shorter than the interval ({low.called})")
    slow, end = group.get("slow_loop"), group.get("loop_timeout")
    if slow and end and None not in (slow.value, end.value) and end.value <= slow.value:
        raise SettingsError(f"{end.called}: not longer than slow_loop ({slow.called})")


def rights(group: Layer) -> None:
    """Refuse what this process may not give its workers: root alone may give all of it.

    The best that can be done beforehand: the kernel has the last word when a worker starts.
    """
    if os.geteuid() == 0:
        return
    _check_user(group)
    _check_nice(group)
    _check_limits(group)


def _check_user(group: Layer) -> None:
    if (user := group.get("user")) and pwd.getpwnam(user.value).pw_uid != os.geteuid():
        raise SettingsError(f"{user.called}: to run as another user needs root")
    own = (os.getgid(), os.getegid())
    if (given := group.get("group")) and grp.getgrnam(given.value).gr_gid not in own:
        raise SettingsError(f"{given.called}: to run as another group needs root")


def _check_nice(group: Layer) -> None:
    if not (nice := group.get("nice")):
        return
    current = os.getpriority(os.PRIO_PROCESS, 0)
    lowest = current
    if hasattr(resource, "RLIMIT_NICE"):  # Linux: 20 - rlimit is allowed, see getrlimit(2)
        ceiling = resource.getrlimit(resource.RLIMIT_NICE)[0]
        lowest = -20 if ceiling == resource.RLIM_INFINITY else min(current, 20 - ceiling)
    if nice.value < lowest:
        raise SettingsError(f"{nice.called}: less than {lowest} needs root")


def _check_limits(group: Layer) -> None:
    if not (limits := group.get("limits")):
        return
    for name, wanted in limits.value.items():
        hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
        endless = resource.RLIM_INFINITY
        if hard != endless and (wanted == endless or wanted > hard):
            raise SettingsError(
                f"{limits.called}: {name}: more than the hard limit, {hard}, needs root"
            )
