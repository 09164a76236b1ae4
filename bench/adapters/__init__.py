"""The adapters: one file for each program that is compared."""

from __future__ import annotations

from collections.abc import Sequence

from .base import Adapter
from .circus import Circus
from .cotyledon import Cotyledon, CotyledonAtOnce
from .floor import BareFloor, Floor
from .gunicorn import Gunicorn
from .honcho import Honcho
from .naruto import Naruto, NarutoAtOnce
from .pools import Executor, Pool
from .supervisor import Supervisor

ALL: tuple[Adapter, ...] = (
    Naruto(),
    NarutoAtOnce(),
    Floor(),
    BareFloor(),
    Gunicorn(),
    Cotyledon(),
    CotyledonAtOnce(),
    Circus(),
    Supervisor(),
    Honcho(),
    Pool(),
    Executor(),
)


def rotated(adapters: Sequence[Adapter], by: int) -> list[Adapter]:
    """Return all, in the same order, from another one on."""
    by %= len(adapters)
    return [*adapters[by:], *adapters[:by]]
