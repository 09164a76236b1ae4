"""What the tests of the settings share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A working directory called "shop"."""
    directory = tmp_path / "shop"
    directory.mkdir()
    return directory
