"""What an attacker has found once, so that nobody finds it again."""

from __future__ import annotations

import os

import pytest

from tests.conftest import NewService
from tests.service import eventually

IDLE = """
def poll():
    pass
"""


@pytest.mark.parametrize(
    "line",
    [
        'held {"worker": "default-0.1", "number": 1, "longest": 1' + "0" * 400 + "}",
        'held {"worker": "default-0.1", "number": 1e999, "longest": 1}',
        'held {"worker": "default-0.1", "number": true, "longest": 1}',
    ],
)
def test_numbers_that_cannot_be_reckoned_with(new_service: NewService, line: str) -> None:
    """The master skips the line and lives."""
    service = new_service({"shop.py": IDLE}).start("shop:poll")
    service.echo(f"{line}\n")
    service.wait_for("skipped: (number|longest) must be a number")
    assert service.status()["state"] == "running"


def test_numbers_in_a_workers_pipe_raise_nothing_into_the_loop(new_service: NewService) -> None:
    """A loop that looks at its exit_flag is not cut by what somebody has written there."""
    source = """
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        def business(self):
            print("begin")
            while not self.exit_flag:
                pass
            print("end")
    """
    service = new_service({"shop.py": source}).start("shop:Orders")
    service.wait_for("begin")
    [worker] = service.workers()
    pipe = f"default-0.{worker['serial']}.pipe"
    service.echo('stop {"deadline": 1' + "0" * 400 + "}\n", pipe)
    service.echo('hold {"number": 1' + "0" * 3000 + "}\n", pipe)
    service.wait_for("skipped: number must be a number")
    assert service.pids() == {worker["pid"]}
    assert service.command("stop").returncode == 0
    assert service.log.count("begin") == service.log.count("end\n")


@pytest.mark.parametrize("option", ["--stop-timeout", "--start-timeout", "--interval"])
def test_times_beyond_what_poll_knows(new_service: NewService, option: str) -> None:
    """A month is no reason to fail: poll(2) takes an int of milliseconds, 25 days."""
    service = new_service({"shop.py": IDLE}).start("shop:poll", option, "40d")
    assert service.command("status", "--timeout", "40d").returncode == 0
    assert service.command("reload").returncode == 0
    assert service.command("stop").returncode == 0
    assert service.wait() == 0


def test_a_worker_that_ends_by_an_error_says_so(new_service: NewService) -> None:
    """A thread that does not end keeps the process, and not its place: on_stop runs, too."""
    source = """
    import threading
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        def on_start(self):
            threading.Thread(target=threading.Event().wait).start()

        def business(self):
            raise KeyboardInterrupt

        def on_stop(self, reason):
            print("on_stop", reason)
    """
    service = new_service({"shop.py": source})
    service.start("shop:Orders", "--stop-timeout", "200ms")
    service.wait_for("on_stop error")
    service.wait_for(r"killed \(was still in on_stop after stop_timeout")


@pytest.mark.parametrize("kind", ["thread", "task"])
def test_threads_and_tasks_may_ask(new_service: NewService, kind: str) -> None:
    """Whoever looks at exit_flag takes lines out of the pipe, and the loop hears of them."""
    source = """
    import asyncio, threading, time
    from naruto import WorkerProcess

    class WithThread(WorkerProcess):
        interval = "1h"

        def on_start(self):
            for _ in range(3):
                threading.Thread(target=self.look, daemon=True).start()

        def look(self):
            while not self.exit_flag:
                time.sleep(0.0002)

        def business(self):
            print("loop")

    class WithTask(WorkerProcess):
        interval = "1h"

        async def on_start(self):
            self.task = asyncio.create_task(self.look())

        async def look(self):
            while not self.exit_flag:
                await asyncio.sleep(0)

        async def business(self):
            print("loop")
    """
    service = new_service({"shop.py": source})
    service.start(f"shop:With{kind.title()}", "--workers", "2")
    service.wait_for("loop", 2)
    for generation in range(2, 8):
        done = service.command("reload", "--timeout", "15s")
        assert done.returncode == 0, done.stderr
        assert f"generation {generation}" in done.stdout
    assert service.command("quit", "--timeout", "15s").returncode == 0


def test_wake_on_of_an_asyncio_transport(new_service: NewService) -> None:
    """A socket that asyncio reads itself may be returned; its own reader stays."""
    source = """
    import asyncio, socket
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "1h"
        loops = 0

        async def on_start(self):
            here, self.there = socket.socketpair()
            self.reader, self.writer = await asyncio.open_connection(sock=here)

        def wake_on(self):
            return self.writer.get_extra_info("socket")

        async def business(self):
            self.loops += 1
            if self.loops == 1:
                asyncio.get_running_loop().call_later(0.05, self.there.send, b"hello\\n")
                return
            print("heard", await self.reader.readline())
    """
    service = new_service({"shop.py": source}).start("shop:Orders")
    service.wait_for("heard b'hello")
    assert service.command("stop").returncode == 0


def test_an_embedding_programs_own_signals(new_service: NewService) -> None:
    """SIGALRM, and a real-time signal, of the program mean nothing to the master."""
    source = """
    import signal
    from naruto import Manager

    def said(number, frame):
        print("program got", number, flush=True)

    signal.signal(signal.SIGALRM, said)
    signal.signal(signal.SIGRTMIN + 3, said)
    Manager("shop:poll", log_level="info").run()
    """
    import sys

    service = new_service({"shop.py": IDLE, "main.py": source})
    service.run([sys.executable, "main.py"], NARUTO_RUN_DIR=str(service.run_dir))
    os.kill(service.pid, 14)
    service.wait_for("program got 14")
    os.kill(service.pid, 37)
    service.wait_for("program got 37")
    assert service.status()["state"] == "running"
    assert service.command("stop").returncode == 0


def test_a_pipe_that_cannot_be_removed(new_service: NewService) -> None:
    """Somebody has put a directory in its place: a warning, and the master lives."""
    service = new_service({"shop.py": IDLE}).start("shop:poll")
    [worker] = service.workers()
    pipe = service.pipe(f"default-0.{worker['serial']}.pipe")
    pipe.unlink()
    pipe.mkdir()
    service.signal("KILL", worker["pid"])
    service.wait_for(f"{pipe.name} could not be removed")
    eventually(lambda: _one_other(service.pids(), worker["pid"]))
    assert service.command("stop").returncode == 0
    pipe.rmdir()


def _one_other(pids: set[int], old: int) -> None:
    assert len(pids - {0}) == 1 and old not in pids


def test_a_restart_under_another_name_is_refused(new_service: NewService) -> None:
    """It would leave its clients and its lock behind; the service goes on as it was."""
    files = {"shop.py": IDLE, "naruto.toml": 'target = "shop:poll"\n'}
    service = new_service(files).start()
    before = service.pids()
    service.write("naruto.toml", 'target = "shop:poll"\nname = "other"\n')
    done = service.command("restart")
    assert done.returncode == 1 and "it would be other" in done.stderr
    assert service.pids() == before


def test_no_pipe_any_more(new_service: NewService) -> None:
    """A command says what is wrong, in time, and how to stop the service all the same."""
    service = new_service({"shop.py": IDLE}).start("shop:poll")
    service.pipe().unlink()
    done = service.command("status", "--timeout", "200ms")
    assert done.returncode == 1 and f"kill -TERM {service.pid}" in done.stderr
    service.signal("TERM")
    assert service.wait() == 0
