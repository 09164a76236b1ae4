"""What every test has: a service that is cleared away, whatever happens."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service import Service

NewService = Callable[..., Service]

ROUNDS = 10
"""How often a test that needs many rounds goes round in the suite; --rounds asks for more."""


def pytest_configure(config: pytest.Config) -> None:
    """Let signals be what they are at a terminal, whoever started the suite.

    A shell's ``&`` starts it with INT and QUIT ignored, and what is ignored stays so in
    every service that a test starts: right for a service, and no test of INT.
    """
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


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
