"""What can be set for a service, and the table of everything that can be set.

`OPTIONS` is made from the fields, and from `OPTIONS` the command line, the names in the
environment, the keys of the settings file and docs/settings.md. So a new setting is one
new field here or in `groups`. Where values come from, and which one wins, is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from naruto.settings import values
from naruto.settings.fields import about, options_of, setting
from naruto.settings.groups import GroupSettings


@attrs.frozen(kw_only=True)
class Settings:
    """Everything that is set for one service. Paths are absolute and logical.

    Attributes:
        name: The service's name.
        run_dir: The run directory, or None: made from name and uid.
        directory: The working directory, not resolved through links: a deploy may switch one.
        log_file: Where the log goes, or None: depends on how the service was started.
        log_level: The least level that is logged, in lower case.
        exit_with_parent: Whether to end, as by TERM, with the process that started it.
        config: The settings file that was read, or None.
        groups: At least one, in the order of the file.
        origins: For each key ("log_level", "groups.orders.workers") where its value came
            from. For a setting of groups the bare key tells about the groups that have
            no word of their own.
    """

    name: str = attrs.field(
        metadata=about(values.name, "NAME", "the service's name", default=None)
    )
    run_dir: str | None = setting(
        None, values.path, "PATH", "directory for the pipes and the pid file"
    )
    directory: str = attrs.field(
        metadata=about(values.path, "PATH", "working directory, importable", default=None)
    )
    log_file: str | None = setting(None, values.path, "PATH", "file that the log is written to")
    log_level: str = setting("info", values.level, "LEVEL", "least level that is logged")
    exit_with_parent: bool = setting(
        False, values.flag, "BOOL", "end as by TERM when who started the service ends"
    )
    config: str | None = None
    groups: tuple[GroupSettings, ...]
    # Not compared: a reload that moves a value from one place to another changes nothing.
    origins: Mapping[str, str] = attrs.field(factory=dict, eq=False, repr=False)


SERVICE_OPTIONS = tuple(options_of(Settings, "service"))
"""What the service has one of; at the top of the file only, but for `directory`."""

GROUP_OPTIONS = tuple(options_of(GroupSettings, "group"))
"""What each group has its own of."""

WORKER_OPTIONS = tuple(one for one in GROUP_OPTIONS if one.obeyed_by == "worker")
"""What a class of workers may set as well."""

OPTIONS = (
    *SERVICE_OPTIONS,
    # The directory is in both tables; outside of a group's own table it is the service's.
    *(o for o in GROUP_OPTIONS if o.name not in {own.name for own in SERVICE_OPTIONS}),
)
"""Everything that can be set, each name once."""
