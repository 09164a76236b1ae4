"""The promise: no loop is ever cut by a reload or a stop, and nothing is left behind.

``pytest tests/process/test_promise.py --rounds 200`` goes round as often as it takes to
believe it; the suite itself is content with a few rounds.
"""

from __future__ import annotations

import random
import re
import select
import shutil
import signal
import subprocess
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import NewService
from tests.process.stage import QUICK, ask, crew, shown
from tests.service import PATIENCE, Service, eventually

LEDGER = """
    import os
    import random
    import time
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "1ms"

        def on_start(self):
            self.ledger = os.open("ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            self.loops = 0
            self.note("start")

        def note(self, what):
            os.write(self.ledger, f"{what} {self.index} {os.getpid()} {self.loops}\\n".encode())

        def business(self):
            self.loops += 1
            self.note("begin")
            sum(range(random.randrange(20_000)))
            if random.random() < 0.5:
                time.sleep(random.uniform(0, 0.02))
            self.note("end")
            return random.choice([True, None])

        def on_stop(self, reason):
            self.note("stop")
"""
"""A worker that keeps book: a line before and a line after each half of its work."""

SEED = 7


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often to go round."""
    number: int = request.config.getoption("--rounds")
    return number


def _check_ledger(service: Service, *, strict: bool = True) -> Counter[str]:
    """See that every begin has its end, and no two workers of an index were at work.

    Where it isn't strict, workers may have failed before or after they noted their start.
    """
    ledger = service.home / "ledger"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    at_work: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for line in lines:
        what, index, loop = line.split(" ", 2)
        counts[what] += 1
        if what == "begin":
            assert index not in at_work, f"{line} while {at_work[index]} was at work"
            at_work[index] = loop
        elif what == "end":
            assert at_work.pop(index) == loop
    assert not at_work, f"cut: {at_work}"
    assert not strict or counts["start"] == counts["stop"]
    return counts


def _stat(pid: str) -> tuple[str, int] | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None  # it has just ended
    return fields[0], int(fields[1])


def _children(master: int) -> Counter[str]:
    """The states of a process's children: Z for zombies."""
    found = (_stat(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return Counter(stat[0] for stat in found if stat and stat[1] == master)


def test_reloads_cut_nothing(new_service: NewService, rounds: int) -> None:
    """Reloads under load, by message and by signal: no loop is cut, nothing piles up."""
    chance = random.Random(SEED)
    service = new_service({"shop.py": LEDGER})
    service.start("shop:Orders", "--workers", "4", "--surge", "50%")
    descriptors = len(list(Path(f"/proc/{service.pid}/fd").iterdir()))
    for _ in range(rounds):
        for _ in range(chance.randrange(3)):
            if chance.random() < 0.5:
                service.signal("USR1")
            else:
                service.echo("reload\n")
        assert ask(service, "reload")["status"] == 0

    def settled() -> None:
        assert shown(service)["state"] == "running"
        children = _children(service.pid)
        assert children.total() == 4 and not children["Z"]
        assert len(crew(service)) == len(list(service.run_dir.glob("default-*.pipe"))) == 4
        assert len(list(Path(f"/proc/{service.pid}/fd").iterdir())) == descriptors

    eventually(settled)
    assert ask(service, "quit")["status"] == 0
    assert service.wait() == 0
    counts = _check_ledger(service)
    assert counts["start"] >= 4 * (rounds + 1)
    assert counts["begin"] > counts["start"]
    assert "WARNING" not in service.log and "ERROR" not in service.log
    assert not service.alive() and not service.run_dir.exists()


BROKEN = {
    "import": "import nowhere_at_all\n",
    "on_start": "\n\n    def on_start(self):\n        raise RuntimeError('no on_start')\n",
    "first loop": "\n\n    def business(self):\n        raise RuntimeError('no loop')\n",
}
"""How code is broken: what is put before it, or, where it begins with a newline, after it."""


@pytest.mark.parametrize("surge", ["1", "25%", "100%"])
def test_broken_deploys(new_service: NewService, rounds: int, surge: str) -> None:
    """However often: exit 1, the traceback, the same workers at work, and no loop cut."""
    good = textwrap.dedent(LEDGER)
    service = new_service({"shop.py": good})
    service.start("shop:Orders", "--workers", "4", "--surge", surge)
    workers = {worker["pid"] for worker in crew(service)}
    for number in range(rounds):
        what, source = list(BROKEN.items())[number % len(BROKEN)]
        after = source.startswith("\n")
        service.write("shop.py", good + source if after else source + good)
        answer = ask(service, "reload")
        assert answer["status"] == 1, what
        assert "Error: " in answer["text"] and "Traceback" in answer["text"], what
        assert {worker["pid"] for worker in crew(service)} == workers
    service.write("shop.py", good)
    assert ask(service, "reload")["status"] == 0
    assert ask(service, "quit")["status"] == 0
    assert service.wait() == 0
    counts = _check_ledger(service, strict=False)
    assert counts["begin"] > 0
    assert not service.alive() and not service.run_dir.exists()


def test_stops_at_random_moments(new_service: NewService, rounds: int) -> None:
    """A stop at any moment of start, run and reload cuts no loop and leaves nothing."""
    chance = random.Random(SEED)
    for number in range(rounds):
        service = new_service({"shop.py": LEDGER}, name=f"home{number}")
        service.start("shop:Orders", "--workers", "4", wait_until="")
        # The moment is what is tried; the first that can be met is the master's first line.
        service.wait_for("master of shop starts")
        select.select([], [], [], chance.choice([0.0, 0.02, 0.1]) * chance.random())
        if chance.random() < 0.3:
            service.echo("reload\n")
            select.select([], [], [], chance.choice([0.0, 0.02, 0.1]) * chance.random())
        name = chance.choice(["TERM", "INT", "QUIT", "USR2", ""])
        if name:
            service.signal(name)
        else:
            service.echo(chance.choice(["quit\n", "stop\n"]))
        assert service.wait() == 0, service.log
        _check_ledger(service)
        assert "Traceback" not in service.log and "killed" not in service.log
        assert not service.alive() and not service.run_dir.exists()


def test_an_idle_master_sleeps(new_service: NewService) -> None:
    """While workers do nothing but rest, the master makes no system call at all."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    source = QUICK.replace('interval = "20ms"', "interval = 0.2")
    service = new_service({"shop.py": source}).start("shop:Orders", "--workers", "2")
    master, trace = service.pid, service.home / "trace"
    before = sum(worker["loops"] for worker in crew(service))
    eventually(lambda: _sleeps(master))
    with subprocess.Popen(
        [strace, "-o", str(trace), "-p", str(master)], stderr=subprocess.PIPE, text=True
    ) as tracer:
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        select.select([], [], [], 2.0)  # nothing happens, for so long
        tracer.send_signal(signal.SIGINT)
        tracer.wait(PATIENCE)
    if "attached" not in attached:
        pytest.skip(f"strace can't attach: {attached}")
    [call] = trace.read_text().splitlines()
    assert re.fullmatch(r"(epoll_p?wait2?|restart_syscall)\(.*<detached \.\.\.>", call)
    # The workers were awake meanwhile.
    assert sum(worker["loops"] for worker in crew(service)) > before + 8


def _sleeps(pid: int) -> None:
    """See that it waits for ever: epoll_wait(2), whose fourth argument is -1."""
    call = Path(f"/proc/{pid}/syscall").read_text().split()
    assert len(call) > 4 and call[4].startswith("0xffffffff"), call
