"""Start: the greeting, the foreground, and its exit status."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys

import pytest

from naruto import __version__
from naruto.settings import OPTIONS
from tests.cli.shop import IDLE, LONG, make_gate, open_gate
from tests.cli.terminal import CTRL_C, Terminal
from tests.conftest import NewService
from tests.service import wait_gone

SETTINGS = """
    name = "shop"
    [groups.orders]
    target = "shop:poll"
    workers = 2
    [groups.mail]
    target = "shop:poll"
"""


BEGINS = """
    from naruto.__main__ import main

    print("begun", flush=True)
    main()
"""


class TestGreeting:
    """What a terminal is told, and nobody else."""

    def test_on_a_terminal(self, new_service: NewService) -> None:
        """Name, version, run directory and a table of the groups; Ctrl-C ends it with 0."""
        service = new_service({"shop.py": IDLE, "naruto.toml": SETTINGS})
        with Terminal(service, "start", "--run-dir", str(service.run_dir)) as terminal:
            terminal.expect(" is up: ")
            terminal.press(CTRL_C)
            assert terminal.wait() == 0
        greeting = terminal.text.split("master[")[0]
        assert f"naruto {__version__}" in greeting
        assert "shop" in greeting and str(service.run_dir) in greeting
        assert re.search(r"orders +shop:poll +2\n", greeting)
        assert re.search(r"mail +shop:poll +1\n", greeting)
        assert "Traceback" not in terminal.text

    def test_quiet(self, new_service: NewService) -> None:
        """--quiet leaves the log alone."""
        service = new_service({"shop.py": IDLE})
        args = "start", "shop:poll", "--quiet", "--run-dir", str(service.run_dir)
        with Terminal(service, *args) as terminal:
            terminal.expect(" is up: ")
            terminal.press(CTRL_C)
            assert terminal.wait() == 0
        assert re.match(r"\d{4}-", terminal.text)

    def test_nothing_of_it_in_a_pipe(self, new_service: NewService) -> None:
        """What is not a terminal gets log lines only, and no escape sequence."""
        service = new_service({"shop.py": IDLE}).start("shop:poll")
        assert service.command("stop").returncode == 0
        service.wait_for(" ends$")
        assert re.match(r"\d{4}-", service.log) and "\x1b" not in service.log

    @pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
    def test_no_color(self, new_service: NewService, no_color: str, colored: bool) -> None:
        """A terminal's warnings are coloured, unless NO_COLOR is set."""
        source = "import sys\ndef poll():\n    print('warned', file=sys.stderr)\n"
        service = new_service({"shop.py": source})
        args = "start", "shop:poll", "--run-dir", str(service.run_dir)
        with Terminal(service, *args, NO_COLOR=no_color) as terminal:
            terminal.expect("warned")
            terminal.press(CTRL_C)
            assert terminal.wait() == 0
        assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.shown)) is colored

    def test_the_demo_says_what_it_is(self, new_service: NewService) -> None:
        """The first command that anybody types works, and says that it is the demo."""
        service = new_service()
        args = "start", "--workers", "5", "--run-dir", str(service.run_dir)
        with Terminal(service, *args) as terminal:
            terminal.expect("built-in demo")
            terminal.expect("5 workers are READY")
            terminal.expect("demo worker 4")
            terminal.press(CTRL_C)
            assert terminal.wait() == 0
        assert not service.alive()


class TestForeground:
    """How a service in the foreground ends."""

    def test_a_loop_that_had_to_be_killed(self, new_service: NewService) -> None:
        """Exit status 1, naming the worker, what it worked on, and for how long."""
        service = new_service({"shop.py": LONG})
        make_gate(service)
        service.start("shop:Orders", "--stop-timeout", "200ms", wait_until="in the loop")
        done = service.command("stop")
        assert done.returncode == 1
        assert re.search(
            r"default-0\.\d+ \(pid \d+\) in a loop for \d\.\d s, working on order 0",
            done.stderr,
        )
        assert service.wait() == 1

    def test_second_ctrl_c(self, new_service: NewService) -> None:
        """The first Ctrl-C waits for the loop, one that comes later does not."""
        service = new_service({"shop.py": LONG})
        make_gate(service)
        args = "start", "shop:Orders", "--run-dir", str(service.run_dir)
        with Terminal(service, *args) as terminal:
            terminal.expect("in the loop")
            terminal.press(CTRL_C)
            terminal.expect("INT")
            select.select([], [], [], 1.1)  # within a second it is the same key press
            terminal.press(CTRL_C)
            assert terminal.wait() == 1
        assert not service.alive() and not service.run_dir.exists()

    @pytest.mark.parametrize("step", range(8))
    def test_ctrl_c_at_any_moment(self, new_service: NewService, step: int) -> None:
        """From the first import to the end: no traceback, no process, no directory left."""
        service = new_service({"shop.py": IDLE, "begin.py": BEGINS})
        args = "start", "shop:poll", "--workers", "3", "--run-dir", str(service.run_dir)
        with Terminal(service, *args, program="begin.py") as terminal:
            terminal.expect("begun")  # before, only the interpreter itself is at work
            select.select([], [], [], step * 0.04)
            terminal.press(CTRL_C)
            status = terminal.wait()
        assert status in (0, -signal.SIGINT, 130), terminal.text
        assert "Traceback" not in terminal.text
        assert not service.alive() and not service.run_dir.exists()

    def test_terminal_goes_away(self, new_service: NewService) -> None:
        """The window is closed: every loop is finished, and the service ends."""
        service = new_service({"shop.py": LONG})
        make_gate(service)
        args = "start", "shop:Orders", "--run-dir", str(service.run_dir)
        terminal = Terminal(service, *args)
        terminal.expect("in the loop")
        os.close(terminal._master)
        gate = open_gate(service)
        assert terminal.process.wait() == 0
        os.close(gate)
        assert not service.alive() and not service.run_dir.exists()

    def test_closed_standard_streams(self, new_service: NewService) -> None:
        """Started with 0, 1 and 2 closed it runs as ever."""
        service = new_service({"shop.py": IDLE})
        naruto = f"{sys.executable} -m naruto start shop:poll --run-dir {service.run_dir}"
        command = f"exec {naruto} --log-file a.log <&- >&- 2>&-"
        master = subprocess.Popen(command, shell=True, cwd=service.home, env=service.environ)
        while not service.pipe().exists():
            assert master.poll() is None
        for pid in service.pids():
            assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        assert service.command("stop").returncode == 0
        assert master.wait() == 0


def test_console_script_and_module_are_the_same(new_service: NewService) -> None:
    """``naruto`` and ``python -m naruto`` say and do the same."""
    script = os.path.join(os.path.dirname(sys.executable), "naruto")  # noqa: PTH118
    if not os.path.exists(script):
        pytest.skip("not installed beside this interpreter")
    service = new_service()
    for args in (["--version"], ["--help"], ["start", "--help"], ["config", "--workers", "0"]):
        by_script = subprocess.run(
            [script, *args],
            cwd=service.home,
            env=service.environ,
            capture_output=True,
            text=True,
        )
        by_module = service.naruto(*args)
        assert by_script.stdout == by_module.stdout
        assert by_script.stderr == by_module.stderr
        assert by_script.returncode == by_module.returncode


class TestHelp:
    """What every command says of itself."""

    COMMANDS = ("start", "reload", "quit", "stop", "restart", "status", "list", "config")

    def test_of_all(self, new_service: NewService) -> None:
        """All commands are listed, each with a whole sentence."""
        done = new_service().naruto("--help")
        assert done.returncode == 0
        for command in self.COMMANDS:
            assert re.search(rf"^  {command} +[A-Z].*[^.]\.$", done.stdout, re.MULTILINE), (
                command
            )

    @pytest.mark.parametrize("command", COMMANDS)
    def test_of_one(self, new_service: NewService, command: str) -> None:
        """Each explains itself, by -h as well."""
        service = new_service()
        done = service.naruto(command, "--help")
        assert done.returncode == 0 and done.stdout == service.naruto(command, "-h").stdout
        assert done.stdout.startswith(f"Usage: naruto {command}")

    def test_every_setting_is_an_option(self, new_service: NewService) -> None:
        """Whatever can be set can be set on the command line."""
        shown = new_service().naruto("start", "--help").stdout
        for option in OPTIONS:
            assert option.flag in shown and option.help.split()[0] in shown

    @pytest.mark.parametrize("args", [["fly"], ["stop", "--fly"], ["start", "a:b", "c:d"]])
    def test_bad_usage(self, new_service: NewService, args: list[str]) -> None:
        """An unknown command or option is bad usage: 2, with a hint at the help."""
        done = new_service().naruto(*args)
        assert done.returncode == 2 and "--help" in done.stderr


def test_a_stopped_service_leaves_nothing(new_service: NewService) -> None:
    """After a foreground service neither process, pipe, pid file nor directory is there."""
    service = new_service({"shop.py": IDLE}).start("shop:poll", "--workers", "3")
    master, workers = service.pid, service.pids()
    service.signal("TERM")
    assert service.wait() == 0
    for pid in (master, *workers):
        wait_gone(pid)
    assert not service.run_dir.exists()
