"""Orders wait for their result, tell the truth about it, and can be given up."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.cli.shop import IDLE, LONG, make_gate, open_gate
from tests.cli.terminal import CTRL_C, Terminal
from tests.conftest import NewService
from tests.service import Service, eventually


@pytest.fixture
def busy(new_service: NewService) -> Service:
    """A service with one worker in a loop that lasts until ``open_gate``."""
    service = new_service({"shop.py": LONG})
    make_gate(service)
    return service.start("shop:Orders", wait_until="in the loop")


def _replies(service: Service) -> list[str]:
    return [path.name for path in service.run_dir.glob("reply-*")]


class TestTimeout:
    """--timeout gives up waiting, and nothing else."""

    @pytest.mark.parametrize("verb", ["stop", "quit", "reload"])
    def test_names_who_is_still_in_a_loop(self, busy: Service, verb: str) -> None:
        """Exit status 1, naming worker and work; nobody is killed, and it goes on."""
        [worker] = busy.pids()
        done = busy.command(verb, "--timeout", "300ms")
        assert done.returncode == 1
        assert "default-0" in done.stderr and "order 0" in done.stderr
        assert worker in busy.pids()
        assert not _replies(busy)
        gate = open_gate(busy)
        if verb == "reload":
            busy.wait_for("in the loop", 2)
            assert busy.command("stop").returncode == 0
        assert busy.wait() == 0
        os.close(gate)

    @pytest.mark.parametrize("verb", ["stop", "quit"])
    def test_before_the_master_has_read_it(self, new_service: NewService, verb: str) -> None:
        """The client has left by then; what it asked for is done all the same."""
        service = new_service({"shop.py": IDLE}).start("shop:poll")
        service.signal("STOP")
        try:
            assert service.command(verb, "--timeout", "200ms").returncode == 1
            assert not _replies(service)
        finally:
            service.signal("CONT")
        assert service.wait() == 0

    @pytest.mark.parametrize("verb", ["stop", "status"])
    def test_bad(self, new_service: NewService, verb: str) -> None:
        """What is no time, or none at all, is refused as bad usage, without a traceback."""
        service = new_service({"shop.py": IDLE}).start("shop:poll")
        for timeout in ("0", "-1", "soon"):
            done = service.command(verb, "--timeout", timeout)
            assert done.returncode == 2, done.stderr
            assert "--timeout" in done.stderr and "Traceback" not in done.stderr
        assert service.command("stop", "--timeout", "none").returncode == 0


class TestNoWait:
    """--no-wait asks, and that's all."""

    @pytest.mark.parametrize("verb", ["stop", "quit", "reload", "restart"])
    def test_returns_at_once(self, busy: Service, verb: str) -> None:
        """It returns with 0 while the loop still runs; the order is obeyed afterwards."""
        done = busy.command(verb, "--no-wait")
        assert (done.returncode, done.stdout) == (0, f"{verb} asked for\n")
        assert busy.process is not None and busy.process.poll() is None
        gate = open_gate(busy)
        if verb in ("reload", "restart"):
            busy.wait_for(" is up: ", 2) if verb == "restart" else busy.wait_for("reloaded")
            assert busy.command("stop").returncode == 0
        assert busy.wait() == 0
        os.close(gate)


class TestProgress:
    """On a terminal a line says what a command waits for."""

    @pytest.mark.parametrize("verb", ["stop", "quit"])
    def test_a_long_loop(self, busy: Service, verb: str) -> None:
        """Who is still in which loop, for how long and on what; it ends when the loop ends."""
        with Terminal(busy, verb, "--run-dir", str(busy.run_dir)) as terminal:
            terminal.expect(
                rf"{verb}: \d+ s waits for default-0 \(\d+ s in its loop on order 0\)"
            )
            gate = open_gate(busy)
            assert terminal.wait() == 0
        os.close(gate)
        assert busy.wait() == 0

    def test_none_in_a_pipe(self, busy: Service) -> None:
        """In a pipe only the result is printed."""
        stopping = busy.background("stop", "--run-dir", str(busy.run_dir))
        busy.wait_for("stop asked for")
        gate = open_gate(busy)
        out, err = stopping.communicate()
        os.close(gate)
        assert stopping.returncode == 0
        assert "waits for" not in out + err and "\x1b" not in out + err


class TestInterrupted:
    """Ctrl-C at a command that waits."""

    @pytest.mark.parametrize("verb", ["stop", "reload", "quit"])
    def test_ctrl_c(self, busy: Service, verb: str) -> None:
        """Exit status 130, no traceback, no pipe left; the order stands."""
        with Terminal(busy, verb, "--run-dir", str(busy.run_dir)) as terminal:
            terminal.expect("waits for")
            assert len(_replies(busy)) >= 1
            terminal.press(CTRL_C)
            assert terminal.wait() == 130
            assert "Traceback" not in terminal.text
        assert not _replies(busy)
        gate = open_gate(busy)
        if verb == "reload":
            busy.wait_for("in the loop", 2)
            assert busy.command("stop").returncode == 0
        assert busy.wait() == 0
        os.close(gate)

    def test_term(self, busy: Service) -> None:
        """A command that is ended from outside leaves a service that can be told again."""
        stopping = busy.background("quit", "--run-dir", str(busy.run_dir))
        busy.wait_for("quit asked for")
        stopping.send_signal(signal.SIGTERM)
        stopping.communicate()
        assert stopping.returncode == -signal.SIGTERM
        gate = open_gate(busy)
        assert busy.wait() == 0
        os.close(gate)
        assert not busy.run_dir.exists()


class TestAnswers:
    """What orders say when they are done."""

    def test_reload(self, new_service: NewService) -> None:
        """A good reload says so, one of a group names it, an unknown group is refused."""
        files = {"shop.py": IDLE, "naruto.toml": GROUPS}
        service = new_service(files).start()
        before = {group: service.pids(group) for group in ("orders", "mail")}
        assert service.command("reload").returncode == 0
        between = {group: service.pids(group) for group in ("orders", "mail")}
        assert not before["orders"] & between["orders"]
        assert service.command("reload", "mail").returncode == 0
        assert service.pids("orders") == between["orders"]
        assert not service.pids("mail") & between["mail"]
        done = service.command("reload", "post")
        assert done.returncode in (1, 2) and "post" in done.stderr
        assert service.command("stop").returncode == 0

    def test_reload_refused(self, new_service: NewService) -> None:
        """Code that raises: 1, with the new worker's traceback; the old one works on."""
        service = new_service({"shop.py": IDLE}).start("shop:poll")
        before = service.pids()
        service.write("shop.py", "def poll():\n    raise KeyError('new')\n")
        done = service.command("reload")
        assert done.returncode == 1
        assert "KeyError: 'new'" in done.stderr and f"{service.home}/shop.py" in done.stderr
        assert service.pids() == before
        assert service.command("stop").returncode == 0

    def test_reload_with_bad_settings(self, new_service: NewService) -> None:
        """Bad settings: 2, with the place; nothing has changed."""
        files = {"shop.py": IDLE, "naruto.toml": 'target = "shop:poll"\n'}
        service = new_service(files).start()
        before = service.pids()
        service.write("naruto.toml", 'target = "shop:poll"\nworkers = 0\n')
        done = service.command("reload")
        assert done.returncode == 2 and "naruto.toml: workers = 0" in done.stderr
        assert service.pids() == before
        service.write("naruto.toml", 'target = "shop:poll"\nname = "other"\n')
        done = service.command("reload")
        assert done.returncode == 2 and "start anew" in done.stderr
        assert service.command("stop").returncode == 0

    def test_stop_now(self, busy: Service) -> None:
        """A loop was cut: 1, naming the worker, its work, and how long."""
        done = busy.command("stop", "--now")
        assert done.returncode == 1
        assert re.search(r"default-0\.\d+ .*in a loop for .* order 0", done.stderr)
        assert busy.wait() == 1

    def test_two_who_wait(self, busy: Service) -> None:
        """Everybody who waits for the same end gets an answer."""
        waiting = [busy.background("quit", "--run-dir", str(busy.run_dir)) for _ in range(3)]
        busy.wait_for("quit asked for", 3)
        gate = open_gate(busy)
        for command in waiting:
            command.communicate()
            assert command.returncode == 0
        os.close(gate)

    def test_a_master_that_dies_meanwhile(self, busy: Service) -> None:
        """Nobody waits for an answer that will never come."""
        waiting = busy.background("quit", "--run-dir", str(busy.run_dir))
        busy.wait_for("quit asked for")
        os.kill(busy.pid, signal.SIGKILL)
        _, err = waiting.communicate()
        assert waiting.returncode == 1 and "died before it answered" in err
        eventually(lambda: _assert(not _replies(busy)))


GROUPS = """
    [groups.orders]
    target = "shop:poll"
    workers = 2
    [groups.mail]
    target = "shop:poll"
"""


def _assert(fact: bool) -> None:
    assert fact
