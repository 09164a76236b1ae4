"""What can be set for a group of workers: every setting once, with reader, default, help."""

from __future__ import annotations

from functools import partial

import attrs

from naruto.core import units
from naruto.settings import rights, tables, values
from naruto.settings.fields import of_worker, setting
from naruto.settings.tables import Environment, Limits
from naruto.settings.values import or_none

_forever = partial(units.duration, none=True)
_rest = partial(units.duration, zero=True)
_when = values.one_of("always", "unexpected", "never")


@attrs.frozen(kw_only=True)
class GroupSettings:
    """One group of workers, all with one target. Times are in seconds, memory in bytes.

    None in what the master obeys means: wait for ever, no limit, or (of what the system
    gives a worker) leave it as it is. None in what the worker obeys means that the settings
    do not say, so the class or the built-in default counts.
    """

    name: str
    target: values.Target | None = setting(
        None, values.target, "TARGET", "what to run, as module:name"
    )
    workers: int = setting(1, values.whole(1, 4096), "N", "how many processes run it")

    # How it loops
    interval: float | None = of_worker(
        0.2, _rest, "TIME", "rest after a loop that returned None"
    )
    max_interval: float | None = of_worker(
        2.0, units.duration, "TIME", "longest rest while loops find nothing"
    )
    max_errors: int | None = of_worker(
        5, values.whole(1), "N", "failed loops in a row after which a worker is replaced"
    )
    slow_loop: float | None = setting(
        None, or_none(units.duration), "TIME", "log a worker's stack when its loop takes longer"
    )
    loop_timeout: float | None = setting(
        None,
        or_none(units.duration),
        "TIME",
        "kill a worker, its stack logged, when its loop takes longer",
    )

    # How workers are replaced
    surge: units.Share = setting(
        units.Share(25, percent=True),
        units.share,
        "SHARE",
        "how many to replace at a time: 3, or 25%",
    )
    overlap: bool = setting(
        True, values.flag, "BOOL", "start the new worker before the old one ends"
    )
    start_timeout: float | None = setting(
        30.0, _forever, "TIME", "how long a new worker may take to be ready"
    )
    canary_timeout: float | None = setting(
        10.0, _forever, "TIME", "how long a canary's first loop is watched"
    )
    stop_timeout: float | None = setting(
        25.0, _forever, "TIME", "how long a stop waits before it kills a loop"
    )
    max_loops: int | None = setting(
        None, or_none(values.whole(1)), "N", "loops after which a worker is replaced"
    )
    max_lifetime: float | None = setting(
        None, or_none(units.duration), "TIME", "age at which a worker is replaced"
    )
    max_memory: int | None = setting(
        None,
        or_none(units.size),
        "SIZE",
        "memory, above what it had when ready, at which a worker is replaced",
    )

    # When one has ended
    restart: str = setting(
        "always", _when, "WHEN", "start a worker that ended again: always, unexpected, never"
    )
    exit_codes: tuple[int, ...] = setting(
        (0,), values.exit_codes, "CODES", "exit codes that are expected, such as 0,2"
    )
    min_uptime: float = setting(
        1.0, units.duration, "TIME", "a life shorter than this is a crash at start"
    )
    max_restarts: int | None = setting(
        None, or_none(values.whole(1)), "N", "restarts in the window after which to give up"
    )
    restart_window: float = setting(
        60.0, units.duration, "TIME", "the time in which restarts are counted"
    )

    # What the system gives a worker
    directory: str | None = setting(
        None, values.path, "PATH", "the group's working directory, else the service's"
    )
    user: str | None = setting(None, rights.user, "USER", "user that workers run as")
    group: str | None = setting(None, rights.group, "GROUP", "group that workers run as")
    umask: int | None = setting(
        None, rights.umask, "MASK", 'modes that new files lack, in octal: "022"'
    )
    nice: int | None = setting(
        None, values.whole(-20, 19), "N", "from -20, much of the CPU, to 19, little"
    )
    limits: Limits = setting(
        Limits(), tables.limits, "LIMITS", 'resource limits, such as "nofile=1024 as=1GB"'
    )
    environment: Environment = setting(
        Environment(), tables.environment, "VARS", 'variables, such as "TZ=UTC DEBUG=1"'
    )
    preload: bool = setting(
        False, values.flag, "BOOL", "import the target once and share its memory"
    )
