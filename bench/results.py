"""What was measured: every figure of every repetition, and what is said of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import attrs

FLOOR = "floor"


@attrs.frozen(order=True)
class Key:
    """What a figure is of.

    Attributes:
        measure: Its name; see ``bench.report.TITLES``.
        size: How many workers; 0 where that does not matter.
    """

    measure: str
    size: int = 0


@attrs.define
class Results:
    """Figures by what they are of and by whose they are, in the order of the repetitions.

    Attributes:
        figures: A figure of each repetition; None for one that failed.
        reasons: Why somebody has no figure.
    """

    figures: dict[Key, dict[str, list[float | None]]] = attrs.field(factory=dict)
    reasons: dict[Key, dict[str, str]] = attrs.field(factory=dict)

    def add(self, key: Key, name: str, figure: float | None) -> None:
        """Add the figure of one repetition."""
        self.figures.setdefault(key, {}).setdefault(name, []).append(figure)

    def lack(self, key: Key, name: str, reason: str) -> None:
        """Note why there is no figure."""
        self.reasons.setdefault(key, {})[name] = reason

    def names(self, key: Key) -> list[str]:
        """Return whose figures there are."""
        return [name for name in self.figures.get(key, {}) if self.of(key, name)]

    def of(self, key: Key, name: str) -> list[float]:
        """Return somebody's figures, those that failed left out."""
        return [one for one in self.figures.get(key, {}).get(name, []) if one is not None]

    def median(self, key: Key, name: str) -> float | None:
        """Return the median; None without figures."""
        found = self.of(key, name)
        return statistics.median(found) if found else None

    def ratio(self, key: Key, name: str, other: str = FLOOR) -> float | None:
        """Return the median of the ratios of somebody's figures to another's.

        Each is of two figures of one repetition: what else the machine did meets both.
        """
        found = [mine / its for mine, its in self._pairs(key, name, other) if its]
        return statistics.median(found) if found else None

    def _pairs(self, key: Key, name: str, other: str) -> Iterator[tuple[float, float]]:
        figures = self.figures.get(key, {})
        for mine, its in zip(figures.get(name, []), figures.get(other, []), strict=False):
            if mine is not None and its is not None:
                yield mine, its
