"""What every test has: a service that is cleared away, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service import Service

NewService = Callable[..., Service]


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
