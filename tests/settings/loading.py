"""Load settings as a program would, in one line of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naruto.errors import SettingsError
from naruto.settings import Settings, Source


class Orders:
    """A target handed over as an object."""


def load(
    directory: Path, /, toml: str | None = None, config: str | None = None, **given: Any
) -> Settings:
    """Load settings: UPPER_CASE arguments are the environment, the others the command line."""
    if toml is not None:
        (directory / "naruto.toml").write_text(toml)
    environ = {key: value for key, value in given.items() if key.isupper()}
    options = {key: value for key, value in given.items() if not key.isupper()}
    return Source(options, config, str(directory), environ).load()


def refusal(directory: Path, /, toml: str | None = None, **given: Any) -> str:
    """Return what is said when the settings are refused."""
    with pytest.raises(SettingsError) as caught:
        load(directory, toml, **given)
    assert caught.value.status == 2
    return str(caught.value)
