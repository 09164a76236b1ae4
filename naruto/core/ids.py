"""The names of places and of workers: the index is stable, the serial is used once."""

from __future__ import annotations

import re
from typing import NamedTuple

_WORKER_ID = re.compile(r"([A-Za-z0-9_-]{1,64})-([0-9]{1,4})\.([0-9]{1,19})")


class SlotId(NamedTuple):
    """A place for one worker: the index is stable, who fills it is not."""

    group: str
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls here

    def __str__(self) -> str:
        return f"{self.group}-{self.index}"


class WorkerId(NamedTuple):
    """One worker of all that ever were: no serial is used twice."""

    group: str
    index: int  # type: ignore[assignment]
    serial: int

    def __str__(self) -> str:
        return f"{self.group}-{self.index}.{self.serial}"

    @property
    def slot(self) -> SlotId:
        """The place that it fills."""
        return SlotId(self.group, self.index)

    @classmethod
    def parse(cls, text: str) -> WorkerId | None:
        """Read what ``str`` has written; None where it's something else."""
        match = _WORKER_ID.fullmatch(text)
        return cls(match[1], int(match[2]), int(match[3])) if match else None


class LoopsOf(NamedTuple):
    """The loops of a group, as something to look at again."""

    group: str
