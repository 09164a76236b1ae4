"""A daemon leaves session, terminal, directory and umask behind."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from naruto.unix import daemon, terminal
from tests.unix.forked import in_child


def _detach(log: Path) -> Any:
    """Detach in a child; return what the daemon reports of itself, and of its starter."""

    def work() -> Any:
        os.umask(0o077)
        is_daemon, pipe = daemon.detach(daemon.open_log(str(log)))
        if is_daemon:
            os.write(pipe, json.dumps(_facts()).encode())
            os.write(1, b"by Python\n")
            os.system("echo by a shell; echo on stderr >&2")
            os._exit(0)
        with open(pipe) as report:
            facts = json.load(report)  # and this is its end of file
        return {**facts, "starter": [os.getpid(), os.getsid(0)]}

    return in_child(work)


def _facts() -> dict[str, Any]:
    umask = os.umask(0)
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "parent": os.getppid(),
        "terminal": terminal.has_terminal(),
        "umask": umask,
        "directory": os.getcwd(),
        "stdin": os.readlink("/proc/self/fd/0"),
        "stdout": os.readlink("/proc/self/fd/1"),
        "stderr": os.readlink("/proc/self/fd/2"),
    }


def test_detached(tmp_path: Path) -> None:
    """No session of the starter's, no leader of its own, no terminal, / and umask 022."""
    log = tmp_path / "a.log"
    facts = _detach(log)
    pid, session = facts["starter"]
    assert facts["session"] not in (session, facts["pid"])
    assert facts["pid"] != pid
    assert not facts["terminal"]
    assert facts["umask"] == 0o022
    assert facts["directory"] == "/"
    assert facts["stdin"] == "/dev/null"
    assert facts["stdout"] == facts["stderr"] == str(log)


def test_everything_printed_is_in_the_log(tmp_path: Path) -> None:
    """Output of Python, of programs, and errors go to the log, which is kept and private."""
    log = tmp_path / "a.log"
    log.write_text("of yesterday\n")
    log.chmod(0o640)
    _detach(log)
    assert log.read_text() == "of yesterday\nby Python\nby a shell\non stderr\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


def test_a_new_log_is_not_for_everybody(tmp_path: Path) -> None:
    """Others may not read what users log."""
    os.close(daemon.open_log(str(tmp_path / "a.log")))
    assert stat.S_IMODE((tmp_path / "a.log").stat().st_mode) & 0o037 == 0


def test_a_log_that_cant_be_opened(tmp_path: Path) -> None:
    """It is told before anything is forked."""
    with pytest.raises(FileNotFoundError):
        daemon.open_log(str(tmp_path / "no" / "a.log"))
