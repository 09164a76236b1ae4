"""A short run of the chaos; ``make chaos`` is the long one.

``pytest tests/chaos --seed 12345`` plays just that round.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.driver import play

SEEDS = range(1, 9)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        given = metafunc.config.getoption("--seed", default=None)
        metafunc.parametrize("seed", SEEDS if given is None else [given])


@pytest.mark.timeout(240)
def test_round(seed: int, tmp_path: Path) -> None:
    """Whatever is done to a service, nothing is lost and nothing is left behind."""
    play(seed, tmp_path)
