"""Cotyledon: services with workers, as OpenStack runs them."""

from __future__ import annotations

from .base import Adapter, python


class Cotyledon(Adapter):
    """It forks; each worker has a thread that works and one that waits for signals."""

    name = "Cotyledon"
    distribution = "cotyledon"
    version_command = ("-c", "import cotyledon")

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line."""
        return python("bench.programs.cotyledon_service", size)


class CotyledonAtOnce(Cotyledon):
    """Without the pause of 10 ms between two forks, which is most of its start."""

    name = "Cotyledon, no pause"
    kind = "tuned peer"
    distribution = None
    only = frozenset({"start", "reload"})
    version_command = None

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line."""
        return [*super().command(size, home, rest), "0"]
