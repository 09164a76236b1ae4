"""Today's code is imported, whatever the master has seen before."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from naruto.work import target
from tests.unix.forked import in_child


def test_a_new_portion_of_a_namespace_package(tmp_path: Path) -> None:
    """A package without __init__.py, known to the master, is found in a new place as well."""
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "shared").mkdir(parents=True)
    new.mkdir()
    (old / "shared" / "one.py").write_text("number = 1")

    def work() -> list[int]:
        sys.path[:] = [str(old), str(new), *filter(None, sys.path)]
        found = [importlib.import_module("shared.one").number]
        (new / "shared").mkdir()
        (new / "shared" / "two.py").write_text("number = 2")
        target.prepare_imports(str(old), str(old))
        return [*found, importlib.import_module("shared.two").number]

    assert in_child(work) == [1, 2]
