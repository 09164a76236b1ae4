"""Say what may have been meant by a word that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable


def unknown(word: str, known: Iterable[str], kind: str = "key") -> str:
    """Say that there is no such key, and what may have been meant."""
    names = sorted(known)
    near = closest(word, names)
    rest = f"did you mean '{near}'?" if near else f"known are {', '.join(names)}"
    return f"unknown {kind} '{word}'; {rest}"


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known word that is most like this one, at least `likeness` (0 to 1)."""
    import difflib  # only a mistake needs it, and every worker would carry it

    return next(iter(difflib.get_close_matches(word, list(known), 1, likeness)), None)
