"""What a service of a chaos round is to be like: settings and releases, as data.

Nothing here knows whether a service runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import attrs

from tests.chaos import shop


@attrs.frozen
class GroupPlan:
    """One group of the settings file."""

    workers: int
    cls: str
    surge: str
    overlap: bool

    @classmethod
    def drawn(cls, chance: Random) -> GroupPlan:
        """Draw one."""
        return cls(
            workers=chance.choice([1, 2, 2, 3, 4, 6]),
            cls=chance.choice(["Orders", "Orders", "AsyncOrders"]),
            surge=chance.choice(["1", "25%", "100%"]),
            overlap=chance.random() < 0.8,
        )


@attrs.frozen
class Plan:
    """A settings file.

    Attributes:
        interval, stop_timeout, min_uptime: Seconds.
        preload: Whether each group has a mould.
    """

    groups: Mapping[str, GroupPlan]
    interval: float
    stop_timeout: float
    min_uptime: float
    preload: bool = False

    @classmethod
    def drawn(cls, chance: Random) -> Plan:
        """Draw one."""
        names = chance.choice([("default",), ("default",), ("orders", "mail")])
        return cls(
            groups={name: GroupPlan.drawn(chance) for name in names},
            interval=chance.choice([0.001, 0.005, 0.02]),
            stop_timeout=chance.choice([0.3, 0.6, 15.0]),
            min_uptime=chance.choice([0.001, 0.001, 0.2]),
            preload=chance.random() < 0.3,
        )

    def changed(self, chance: Random) -> Plan:
        """Draw another, in one or two respects."""
        name = chance.choice(sorted(self.groups))
        group = attrs.evolve(self.groups[name], workers=chance.randint(1, 6))
        if chance.random() < 0.3:
            group = attrs.evolve(group, surge=chance.choice(["1", "50%", "100%"]))
        if chance.random() < 0.2:
            group = attrs.evolve(group, overlap=not group.overlap)
        return attrs.evolve(
            self,
            groups={**self.groups, name: group},
            interval=chance.choice([0.001, 0.005, 0.02]),
        )

    @property
    def workers(self) -> int:
        """How many there are in all groups."""
        return sum(group.workers for group in self.groups.values())

    def toml(self, directory: str, log: str) -> str:
        """Return the text of naruto.toml."""
        lines = [
            f'name = "chaos"\ndirectory = "{directory}"\nlog_file = "{log}"',
            f"interval = {self.interval}\nstop_timeout = {self.stop_timeout}",
            f"min_uptime = {self.min_uptime}\npreload = {str(self.preload).lower()}",
        ]
        for name, group in self.groups.items():
            lines += [
                f'[groups.{name}]\ntarget = "shop:{group.cls}"\nworkers = {group.workers}',
                f'surge = "{group.surge}"\noverlap = {str(group.overlap).lower()}',
            ]
        return "\n".join(lines) + "\n"


BAD_SETTINGS = (
    "workers = = 3\n",
    'name = "chaos"\nworkers = 0\n',
    'name = "chaos"\nno_such_setting = 1\n',
    'name = "other"\n[groups.default]\ntarget = "shop:Orders"\n',
    'name = "chaos"\nstop_timeout = 0\n[groups.default]\ntarget = "shop:Orders"\n',
    'name = "chaos"\ndirectory = "/there/is/no/such/place"\n',
)
"""Settings files that a reload has to refuse, each for another reason."""


@attrs.frozen
class Release:
    """One version of the code, in a directory of its own; ``fault`` says what is broken."""

    version: int
    fault: str = ""

    @property
    def starts(self) -> bool:
        """Whether a service starts with it."""
        return self.fault not in shop.FAILS_A_START

    @property
    def loads(self) -> bool:
        """Whether a check that only imports it is content."""
        return self.fault not in shop.SEEN_BY_A_PROBE
