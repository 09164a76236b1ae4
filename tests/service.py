"""A real service for a test: started as a user would, watched by its log, cleared away.

Wait for a line of its log, for the answer of a command, or for a process to end; never for
a clock. Whatever a test does, ``close`` leaves no process of it alive: every one carries a
mark in its environment, and is found by it.
"""

from __future__ import annotations

import json
import os
import queue
import re
import select
import signal
import subprocess
import sys
import textwrap
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PATIENCE = 20
"""Seconds after which a wait gives up; only a defect ever takes so long."""

MARK = "NARUTO_TESTED_BY"


class Service:
    """One service in a directory of its own.

    Args:
        home: An empty directory: code, run directory, log and links go there.
        files: Name to source, to be written there (dedented).
    """

    def __init__(self, home: Path, files: dict[str, str] | None = None) -> None:
        self.home = home
        self.run_dir = home / "run"
        self.mark = uuid.uuid4().hex
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self._new: queue.Queue[str | None] = queue.Queue()
        self._reader: threading.Thread | None = None
        for name, source in (files or {}).items():
            self.write(name, source)

    # Files

    def write(self, name: str, source: str) -> Path:
        """Write a file of the user's."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    def pipe(self, name: str = "master.pipe") -> Path:
        """The path of a pipe."""
        return self.run_dir / name

    def echo(self, data: bytes | str, name: str = "master.pipe") -> None:
        """Write into a pipe by hand."""
        fd = os.open(self.pipe(name), os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.set_blocking(fd, True)
            os.write(fd, data.encode() if isinstance(data, str) else data)
        finally:
            os.close(fd)

    # Commands

    @property
    def environ(self) -> dict[str, str]:
        """The environment of everything that is started here."""
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("NARUTO_", "_NARUTO"))
        }
        return {**clean, MARK: self.mark, "PWD": str(self.home), "NO_COLOR": "1"}

    def start(self, *args: str, wait_until: str = " is up: ", **environ: str) -> Service:
        """Run ``naruto start`` in the foreground; return when its log shows a text."""
        command = [
            sys.executable,
            "-m",
            "naruto",
            "start",
            "--run-dir",
            str(self.run_dir),
            *args,
        ]
        return self.run(command, wait_until, False, **environ)

    def run(
        self,
        command: list[str],
        wait_until: str = " is up: ",
        own_session: bool = False,
        **environ: str,
    ) -> Service:
        """Run a program that is a master, in the foreground, perhaps in its own session."""
        self.process = subprocess.Popen(
            command,
            cwd=self.home,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=own_session,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        if wait_until:
            self.wait_for(wait_until)
        return self

    def naruto(self, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "naruto", *args],
            cwd=self.home,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def command(self, verb: str, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a command for this service to its end."""
        return self.naruto(verb, "--run-dir", str(self.run_dir), *args)

    def background(self, *args: str) -> subprocess.Popen[str]:
        """Run a command without waiting for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "naruto", *args],
            cwd=self.home,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def status(self) -> dict[str, Any]:
        """What status --json shows."""
        done = self.command("status", "--json")
        assert done.returncode == 0, done.stderr
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown

    def workers(self, group: str = "default") -> list[dict[str, Any]]:
        """The workers of a group, as status shows them."""
        return next(g["workers"] for g in self.status()["groups"] if g["name"] == group)

    # Processes

    @property
    def pid(self) -> int:
        """The master's pid."""
        return int((self.run_dir / "master.pid").read_text())

    def pids(self, group: str = "default") -> set[int]:
        """The workers' pids."""
        return {worker["pid"] for worker in self.workers(group)}

    def signal(self, name: str, pid: int | None = None) -> None:
        """Send a signal to the master, or to another process."""
        assert pid != 0, "that would be everybody: it is not born yet"
        os.kill(self.pid if pid is None else pid, getattr(signal, f"SIG{name}"))

    def wait(self) -> int:
        """Wait until the foreground master has ended; return its exit status."""
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def alive(self) -> set[int]:
        """Every process that carries this service's mark and is no zombie."""
        return {pid for pid in _all_pids() if _carries(pid, self.mark)}

    # The log

    def wait_for(self, text: str, count: int = 1) -> str:
        """Wait until the log has shown ``count`` lines with a text (a regular expression)."""
        pattern = re.compile(text)
        found = [line for line in self.lines if pattern.search(line)]
        while len(found) < count:
            line = self._next()
            if line is None:
                raise AssertionError(f"the log ended without {text!r}:\n{self.log}")
            if pattern.search(line):
                found.append(line)
        return found[count - 1]

    @property
    def log(self) -> str:
        """What the log has shown so far."""
        while True:
            try:
                line = self._new.get_nowait()
            except queue.Empty:
                return "".join(self.lines)
            if line is None:
                self._new.put(None)
                return "".join(self.lines)
            self.lines.append(line)

    def _next(self) -> str | None:
        try:
            line = self._new.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"nothing more in the log:\n{''.join(self.lines)}") from None
        if line is None:
            self._new.put(None)
        else:
            self.lines.append(line)
        return line

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._new.put(line)
        self._new.put(None)

    def close(self) -> None:
        """Kill whatever is left, by pid.

        Who was just being born shows no mark yet; but it holds the log open.
        """
        self._kill_all()
        if self.process is not None:
            self.process.wait(PATIENCE)
            assert self._reader is not None and self.process.stdout is not None
            for _ in range(PATIENCE * 20):
                self._reader.join(0.05)  # it reads to the end: nobody is left to write
                if not self._reader.is_alive():
                    self.process.stdout.close()
                    return
                self._kill_all()
            raise AssertionError("somebody without a mark keeps the log open")

    def _kill_all(self) -> None:
        while left := self.alive():
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                wait_gone(pid)


def wait_gone(pid: int) -> None:
    """Wait until a process has ended, child of ours or not."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([fd], [], [], PATIENCE)
        assert ready, f"pid {pid} does not end"
    finally:
        os.close(fd)


def eventually(check: Callable[[], object]) -> None:
    """Try an assertion until it holds; raise what it raised when patience is over.

    For facts that nobody announces, such as a zombie reaped by pid 1.
    """
    for _ in range(PATIENCE * 50):
        try:
            check()
        except AssertionError:
            select.select([], [], [], 0.02)
        else:
            return
    check()


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _carries(pid: int, mark: str) -> bool:
    if pid == os.getpid():
        return False
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and f"{MARK}={mark}".encode() in environ
