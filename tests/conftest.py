"""What every test has: a service that is cleared away, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service import Service

NewService = Callable[..., Service]

ROUNDS = 10
"""How often a test that needs many rounds goes round in the suite; --rounds asks for more."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rounds",
        type=int,
        default=ROUNDS,
        help="reloads and stops in tests/process/test_promise.py",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "rounds" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(60 + 2 * config.getoption("--rounds")))


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[NewService]:
    """Return a maker of services; when the test is over none of their processes lives."""
    made: list[Service] = []

    def make(files: dict[str, str] | None = None, name: str = "home") -> Service:
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        made.append(Service(home, files))
        return made[-1]

    try:
        yield make
    finally:
        for service in made:
            service.close()
