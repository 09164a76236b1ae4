"""Generations: each start and each reload pins its settings and its directory.

The logical working directory is resolved once a generation. So a deploy that switches a
``current`` link is followed by a reload and by nothing else: a worker replaced weeks later
still gets the release that its generation was made of, and a refused one is gone for good.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

import attrs

from .. import __version__, log
from ..core.policy import Policy
from ..errors import SettingsError
from ..settings import GroupSettings, Settings, Source

FIXED = ("name", "run_dir")
"""Settings that only a new start can change: clients find the service by them."""

PER_WORKER = 2
"""Descriptors that the master needs for each worker: its pipe and its last words."""
RESERVE = 64
"""Descriptors for everything else."""


@attrs.frozen
class Generation:
    """Settings, and the real paths of the directories that they meant.

    Attributes:
        directories: The working directory of each group.
    """

    number: int
    settings: Settings
    directories: Mapping[str, str]

    @classmethod
    def pin(cls, number: int, settings: Settings) -> Generation:
        """Resolve the working directories of today.

        Raises:
            SettingsError: One isn't there.
        """
        directories = {}
        for group in settings.groups:
            logical = group.directory or settings.directory
            directories[group.name] = os.path.realpath(logical)
            if not os.path.isdir(directories[group.name]):
                raise SettingsError(f"directory {logical}: no such directory")
        return cls(number, settings, directories)

    def group(self, name: str) -> GroupSettings:
        """The settings of a group."""
        return next(group for group in self.settings.groups if group.name == name)

    @property
    def policies(self) -> dict[str, Policy]:
        """What the master obeys, group by group."""
        return {group.name: _policy(group) for group in self.settings.groups}

    @property
    def most_workers(self) -> int:
        """How many there may be at once, those included that a reload adds."""
        return sum(policy.workers + policy.in_flight for policy in self.policies.values())

    def check_descriptors(self, limit: int) -> None:
        """Refuse more workers than there are descriptors for.

        Raises:
            SettingsError: They don't fit.
        """
        most = self.most_workers
        if most * PER_WORKER + RESERVE > limit:
            fit = (limit - RESERVE) // PER_WORKER
            raise SettingsError(
                f"{most} workers, those that a reload adds included, are more than the limit"
                f" of {limit} descriptors allows ({fit}); raise it (ulimit -n, LimitNOFILE=)"
            )

    def loaded_already(self) -> list[str]:
        """Targets whose code a reload can't renew, because this process has loaded it."""
        return [
            group.target if isinstance(group.target, str) else repr(group.target)
            for group in self.settings.groups
            if group.target is not None
            and (not isinstance(group.target, str) or group.target.split(":")[0] in sys.modules)
        ]


@attrs.define
class Generations:
    """The generations that are still needed, and where the next comes from."""

    source: Source
    settings: Settings
    _last: int = 0
    _kept: dict[int, Generation] = attrs.field(factory=dict)

    def of(self, number: int) -> Generation:
        """The generation of that number."""
        return self._kept[number]

    @property
    def handed(self) -> tuple[dict[int, Generation], int]:
        """Those that are kept, and the number of the last."""
        return dict(self._kept), self._last

    @property
    def newest(self) -> Generation:
        """The last one that is needed: what counts for the service as a whole."""
        return self._kept[max(self._kept)]

    def first(self, descriptors: int) -> Generation:
        """Pin the settings that the service starts with.

        Raises:
            SettingsError: The directory isn't there, or the workers don't fit.
        """
        return self._pin(self.settings, descriptors)

    def next(self, descriptors: int) -> Generation:
        """Read the settings anew, for a reload.

        Raises:
            SettingsError: They are bad, or change what only a restart can change.
        """
        settings = self.source.load()
        _say_what_is_on_disk()
        for key in FIXED:
            old, new = getattr(self.settings, key), getattr(settings, key)
            if old != new:
                raise SettingsError(
                    f"{key} has changed from {old!r} to {new!r}: stop the service, start anew"
                )
        generation = self._pin(settings, descriptors)
        for called in generation.loaded_already():
            log.write(
                "WARNING",
                f"{called} was loaded by the program itself: a reload renews the processes,"
                " the code stays",
            )
        return generation

    def forget_all_but(self, needed: frozenset[int]) -> None:
        """Drop the generations that no worker will be made of any more."""
        for number in set(self._kept) - needed:
            del self._kept[number]

    def _pin(self, settings: Settings, descriptors: int) -> Generation:
        generation = Generation.pin(self._last + 1, settings)
        generation.check_descriptors(descriptors)
        self._last = generation.number
        self._kept[generation.number] = generation
        return generation


def _say_what_is_on_disk() -> None:
    """Tell that another naruto was installed than the one that runs."""
    package = os.path.dirname(os.path.dirname(__file__))
    try:
        with open(f"{package}/__init__.py") as file:
            found = re.search(r'^__version__ = "([^"]+)"', file.read(), re.MULTILINE)
    except OSError:
        return  # it's just being installed, or is in no file
    if found and found[1] != __version__:
        log.write(
            "WARNING",
            f"naruto {found[1]} is installed, and {__version__} runs: naruto upgrade changes"
            " to it",
        )


def _policy(group: GroupSettings) -> Policy:
    return Policy(**{field.name: getattr(group, field.name) for field in attrs.fields(Policy)})
