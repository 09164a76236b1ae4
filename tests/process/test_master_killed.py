"""The master killed under busy workers: no loop is cut, none begun after, all leave at once.

``pytest tests/process/test_master_killed.py --rounds 100 -s`` does it 100 times with 32
workers, and prints how late the last of them has left after the end of its loop.
"""

from __future__ import annotations

import os
import select
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import NewService
from tests.process.stage import Gate, ask, pids, program
from tests.service import PATIENCE, Service, eventually, wait_gone

BUSY = """
    import os
    import random
    import time
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = 0

        def on_start(self):
            self.ledger = os.open("ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            self.loops = 0
            self.note("start")

        def note(self, what):
            line = f"{what} {self.index} {os.getpid()} {self.loops} {time.monotonic()}\\n"
            os.write(self.ledger, line.encode())

        def business(self):
            self.loops += 1
            self.note("begin")
            sum(range(random.randrange(20_000)))
            time.sleep(random.choice([0.01, 0.05, 0.6]))  # longer than a start takes
            self.note("end")
            return True

        def on_stop(self, reason):
            self.note(f"stop-{reason}")
"""
"""A worker that keeps book, with the time, and never rests."""


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often to go round."""
    number: int = request.config.getoption("--rounds")
    return number


@pytest.mark.parametrize("name", ["KILL", "SEGV"])
def test_again_and_again(new_service: NewService, rounds: int, name: str) -> None:
    """Every time the loops end, no other begins, and the next start works at once."""
    many = rounds >= 100
    workers = 32 if many else 6
    service = new_service({"shop.py": BUSY})
    ledger = service.home / "ledger"
    service.start("shop:Orders", "--workers", str(workers))
    worst = 0.0
    for _ in range(rounds if many else max(2, rounds // 3)):
        _until_all_at_work(service, workers)
        gone = {os.pidfd_open(pid): pid for pid in pids(service)}
        service.signal(name)
        service.wait()
        with ledger.open("a") as file:
            file.write("killed - - - 0\n")
        again = Service(service.home)
        again.mark = service.mark
        again.start("shop:Orders", "--workers", str(workers), wait_until="")
        left = _wait_for_all(gone)
        again.wait_for(" is up: ")
        worst = max(worst, max(left[pid] - at for pid, at in _ends(ledger, left).items()))
        _close(service)
        service = again
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    _check(ledger)
    assert not service.alive() and not service.run_dir.exists()
    print(f"worst lateness after a loop's end: {worst * 1000:.1f} ms")
    service.close()


def _until_all_at_work(service: Service, workers: int) -> None:
    def at_work() -> None:
        lines = (service.home / "ledger").read_text().splitlines()
        working = {int(line.split()[2]) for line in lines if line.startswith("begin")}
        assert len(pids(service) & working) == workers

    eventually(at_work)


def _wait_for_all(gone: dict[int, int]) -> dict[int, float]:
    """Wait for the end of all; return when each was seen to have ended (monotonic)."""
    poll = select.poll()
    for fd in gone:
        poll.register(fd, select.POLLIN)
    ended: dict[int, float] = {}
    while len(ended) < len(gone):
        ready = poll.poll(PATIENCE * 1000)
        assert ready, "an orphan does not end"
        for fd, _ in ready:
            ended[gone[fd]] = time.monotonic()
            poll.unregister(fd)
            os.close(fd)
    return ended


def _ends(ledger: Path, workers: dict[int, float]) -> dict[int, float]:
    """Return when the last loop of each has ended."""
    ends = {}
    for line in ledger.read_text().splitlines():
        what, _, pid, _, at = line.split()
        if what == "end" and int(pid) in workers:
            ends[int(pid)] = float(at)
    assert ends.keys() == workers.keys()
    return ends


def _close(service: Service) -> None:
    """Let go of a master that has ended, and of its log, which its last worker has closed."""
    assert service._reader is not None and service.process is not None
    service._reader.join(PATIENCE)
    assert service.process.stdout is not None
    service.process.stdout.close()
    assert " killed" not in service.log and "CRITICAL" not in service.log


def _check(ledger: Path) -> None:
    """See that no loop was cut, none begun by an orphan, and no index shared."""
    at_work: dict[str, tuple[str, str]] = {}
    orphans: set[str] = set()
    late: Counter[str] = Counter()
    ends: dict[str, str] = {}
    for line in ledger.read_text().splitlines():
        what, index, pid, loop, _ = line.split()
        if what == "killed":
            orphans |= ends.keys()
        elif what == "start":
            ends[pid] = ""
        elif what == "begin":
            assert index not in at_work, f"{line} while {at_work[index]} was at work"
            at_work[index] = pid, loop
            late[pid] += pid in orphans
        elif what == "end":
            assert at_work.pop(index) == (pid, loop)
        else:
            ends[pid] = what
    assert not at_work, f"cut: {at_work}"
    for pid, end in ends.items():
        assert end == ("stop-orphaned" if pid in orphans else "stop-stop")
    # Whoever had just looked, when the master died, is in its last loop by then.
    assert max(late.values()) <= 1, "an orphan has begun a second loop"


FAMILY = """
interval = 0

def business(self):
    for how in ("plain", "setsid", "daemon"):
        os.mkfifo(f"{how}-{self.index}")
        self.start(how, f"exec sh -c 'echo $$ > {how}-{self.index}; exec sleep 1000'")
    print("family is there")
    os.read(os.open("gate", os.O_RDONLY), 1)
    print("end", self.index)

def start(self, how, script):
    pid = os.fork()
    if pid:
        if how == "daemon":
            os.waitpid(pid, 0)
        return
    if how != "plain":
        os.setsid()
    if how == "daemon" and os.fork():
        os._exit(0)
    os.execvp("sh", ["sh", "-c", script])
"""


@pytest.mark.parametrize("name", ["KILL", "SEGV"])
def test_an_orphans_children(new_service: NewService, name: str) -> None:
    """Plain, in a session of its own, daemonised: each ends with its orphaned worker."""
    service = new_service(program(FAMILY))
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders")
        [worker] = pids(service)
        family = []
        service.wait_for("family is there")
        for how in ("plain", "setsid", "daemon"):
            family.append(int((service.home / f"{how}-0").read_text()))
        service.signal(name)
        service.wait()
        assert service.alive() >= {worker, *family}  # nobody is cut
        gate.open()
        wait_gone(worker)
        for pid in family:
            wait_gone(pid)
    service.wait_for("end 0")
    assert not service.alive()
