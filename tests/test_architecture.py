"""The folder listing tells the truth: who may know whom, and what a process has to carry.

core is pure, unix is thin, and only those listed here bring the two together.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import naruto

PACKAGE = Path(naruto.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 360

PURE = {
    *("__future__", "attrs", "collections", "dataclasses", "enum", "functools", "itertools"),
    *("json", "math", "re", "types", "typing"),
}
"""What the core may import: data and arithmetic, nothing that asks the kernel anything.
json is text to data; random is not here, because a decision must be repeatable."""

KNOW_BOTH = {
    "naruto.master",  # performs what the core decides
    "naruto.worker",  # says in the core's messages what it does
    "naruto.manager",  # starts the one, and asks it
}
"""Modules outside supervise/ and work/ that may know core and unix alike."""
TEXT = ("naruto.core.deaths", "naruto.core.units", "naruto.core.messages")
"""Words of the core that its users need as well: how a time is written, what may be shown."""
PACKAGES_OF_BOTH = ("naruto.supervise", "naruto.work")
"""Parts of the master and of a worker, in files of their own."""

HEAVY = ("click", "rich", "psutil")
"""What only a user at a terminal needs."""


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports anywhere, functions and TYPE_CHECKING included.

    For ``from a import b`` both ``a`` and ``a.b``: b may be a module.
    """
    package = _module(path) if path.name == "__init__.py" else _module(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _under(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _ours(path: Path) -> set[str]:
    """The modules of naruto that a file imports, without the package itself."""
    known = {_module(file) for file in FILES} - {"naruto"}
    return {name for name in _imports(path) if name in known}


def _ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(PACKAGE)) for path in paths]


CORE = [path for path in FILES if path.parent.name == "core"]
UNIX = [path for path in FILES if path.parent.name == "unix"]


@pytest.mark.parametrize("path", CORE, ids=_ids(CORE))
def test_core_is_pure(path: Path) -> None:
    """No file of the core imports a clock, a system call, a log or a random number."""
    for name in _imports(path):
        allowed = name.split(".")[0] in PURE or _under(name, "naruto.core", "naruto.errors")
        assert allowed or name == "naruto", f"{_module(path)} imports {name}"
    assert _ours(path) <= {_module(file) for file in CORE} | {"naruto.errors"}


@pytest.mark.parametrize("path", UNIX, ids=_ids(UNIX))
def test_unix_knows_no_service(path: Path) -> None:
    """A kernel facility knows nothing of naruto but its errors and its siblings."""
    assert _ours(path) <= {_module(file) for file in UNIX} | {"naruto.errors"}
    others = {name.split(".")[0] for name in _imports(path)} - set(sys.stdlib_module_names)
    assert others <= {"attrs", "naruto"}


def test_few_know_both() -> None:
    """Only master, worker, manager and their parts bring core and unix together."""
    both = {
        _module(path)
        for path in FILES
        if any(_under(name, "naruto.core") for name in _ours(path) - set(TEXT))
        and any(_under(name, "naruto.unix") for name in _ours(path))
    }
    assert {name for name in both if not _under(name, *PACKAGES_OF_BOTH)} <= KNOW_BOTH


def test_nobody_below_knows_the_command_line() -> None:
    """The command line asks the manager, and nothing asks the command line."""
    cli = [path for path in FILES if path.parent.name == "cli"]
    for path in FILES:
        if path not in cli and path.name != "__main__.py":
            assert not any(_under(name, "naruto.cli") for name in _ours(path)), path
    for path in cli:
        inside = ("naruto.core", "naruto.supervise", "naruto.work", "naruto.master")
        assert not any(_under(name, *inside) for name in _ours(path) - set(TEXT)), path


def test_settings_know_no_process() -> None:
    """Settings are read before there is any process, and know of none."""
    for path in FILES:
        if path.parent.name == "settings":
            allowed = ("naruto.settings", "naruto.core.units", "naruto.core", "naruto.errors")
            assert all(_under(name, *allowed) for name in _ours(path)), path


def _loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("module", ["master", "manager", "worker", "work.birth", "checking"])
def test_a_service_does_not_carry_what_users_look_at(module: str) -> None:
    """Neither master nor worker ever loads tables, command line parsers or process lists."""
    assert not _loaded_by(f"import naruto.{module}") & set(HEAVY)


def test_the_bare_package_is_light() -> None:
    """``import naruto`` costs next to nothing; the names load what they need at first use."""
    loaded = _loaded_by("import naruto; naruto.__version__")
    assert not loaded & {*HEAVY, "loguru", "attrs", "attr", "asyncio", "setproctitle"}


def test_a_worker_class_carries_little() -> None:
    """A module that defines a worker loads no parser of settings files."""
    loaded = _loaded_by("from naruto import WorkerProcess")
    assert not loaded & {"tomllib", "tomli", *HEAVY}


def test_every_public_name_is_there() -> None:
    """All that the package promises can be had, and nothing else is pretended."""
    for name in naruto.__all__:
        assert getattr(naruto, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = naruto.Nonsense


@pytest.mark.parametrize("path", FILES, ids=_ids(FILES))
def test_each_file_says_its_job_and_is_short(path: Path) -> None:
    """A module opens with its job in one sentence, and is no longer than one can read."""
    text = path.read_text()
    doc = ast.get_docstring(ast.parse(text))
    assert doc and doc.split("\n")[0].rstrip().endswith((".", ":")), doc
    assert len(text.splitlines()) <= LONGEST_FILE


def test_no_state_of_modules() -> None:
    """No ``global``: what changes lives in an object that somebody owns."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Global), f"{path.name}:{node.lineno}"
