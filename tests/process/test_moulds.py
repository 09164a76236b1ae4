"""Moulds that fail, hang, are stopped or killed: nobody is counted twice, no stray lives on."""

from __future__ import annotations

import os
import sys

import pytest

from tests.conftest import NewService
from tests.process.kin import assert_at_strength, children, mould, moulds
from tests.process.stage import QUICK, Gate, ask, crew, pids, shown, tell
from tests.service import Service, eventually, wait_gone

FAILS = QUICK + "\n    raise ValueError('no luck')\n"
"""A module whose import fails."""

HANGS = "\n    import os\n    print('hangs')\n    os.read(os.open('gate', 0), 1)\n" + QUICK
"""A module whose import waits at a gate."""


def test_a_failing_import_at_start(new_service: NewService) -> None:
    """The start ends with 1 and the traceback, and nothing is left."""
    service = new_service({"shop.py": FAILS})
    service.start("shop:Orders", "--workers", "3", "--preload", wait_until="")
    assert service.wait() == 1
    service.wait_for("ValueError: no luck")
    service.wait_for("shop.py")
    assert not service.alive() and not service.run_dir.exists()


def test_a_failing_import_in_a_reload(new_service: NewService) -> None:
    """Exit 1 and the traceback, the old workers and their mould stay; then good code comes."""
    service = new_service({"shop.py": QUICK})
    service.start("shop:Orders", "--workers", "3", "--preload")
    before, old = pids(service), mould(service)
    service.write("shop.py", FAILS)
    done = service.command("reload")
    assert done.returncode == 1
    assert "ValueError: no luck" in done.stderr and "shop.py" in done.stderr
    assert pids(service) == before
    assert_at_strength(service, 3)
    assert mould(service) == old
    service.write("shop.py", QUICK)
    assert ask(service, "reload")["status"] == 0
    assert not before & pids(service)


def test_a_hanging_import_is_killed_in_a_reload(new_service: NewService) -> None:
    """After start_timeout the mould is killed and the reload refused; the old ones stay."""
    service = new_service({"shop.py": QUICK})
    service.start("shop:Orders", "--workers", "2", "--preload", "--start-timeout", "1.5")
    before, old = pids(service), mould(service)
    service.write("shop.py", HANGS)
    with Gate(service.home / "gate"):
        answer = ask(service, "reload")
        assert answer["status"] == 1 and "took longer than start_timeout" in answer["text"]
        assert pids(service) == before
        assert_at_strength(service, 2)
        assert mould(service) == old


def test_a_hanging_import_is_killed_at_start(new_service: NewService) -> None:
    """After start_timeout the mould is killed and the start ends with 1."""
    service = new_service({"shop.py": HANGS})
    with Gate(service.home / "gate"):
        service.start("shop:Orders", "--preload", "--start-timeout", "0.3", wait_until="")
        assert service.wait() == 1
    service.wait_for("took longer than start_timeout")
    assert not service.alive() and not service.run_dir.exists()


@pytest.mark.parametrize("how", ["stop", "quit", "stop --now"])
@pytest.mark.parametrize("when", ["start", "reload"])
def test_a_stop_does_not_wait_for_an_import(
    new_service: NewService, how: str, when: str
) -> None:
    """While a mould hangs in the import, for ever, every end comes at once."""
    service = new_service({"shop.py": QUICK})
    verb, _, now = how.partition(" ")
    args = {"now": True} if now else {}
    options = ["shop:Orders", "--workers", "2", "--preload", "--start-timeout", "none"]
    options += ["--stop-timeout", "none"]
    with Gate(service.home / "gate"):
        if when == "reload":
            service.start(*options)
            service.write("shop.py", HANGS)
            tell(service, "reload")
            service.wait_for("hangs")
        else:
            service.write("shop.py", HANGS)
            service.start(*options, wait_until="hangs")
        tell(service, verb, **args)
        service.wait()
    assert not service.alive() and not service.run_dir.exists()


def test_a_killed_mould_is_replaced(new_service: NewService) -> None:
    """Its workers do not notice; the next spawn has another imported."""
    service = new_service({"shop.py": QUICK})
    service.start("shop:Orders", "--workers", "3", "--preload")
    before, old = pids(service), mould(service)
    service.signal("KILL", old)
    service.wait_for("mould-default.1 .* ended with .*KILL")
    assert pids(service) == before == set(children(service.pid))
    gone = crew(service)[2]["pid"]
    service.signal("KILL", gone)
    service.wait_for("started 2", count=2)
    assert pids(service) & before == before - {gone}
    assert_at_strength(service, 3)
    assert mould(service) != old


def _ask_a_stopped_mould(service: Service) -> int:
    """Stop the mould, kill two workers, and wait until it's asked for others."""
    stopped = mould(service)
    service.signal("STOP", stopped)
    for worker in crew(service)[:2]:
        service.signal("KILL", worker["pid"])

    def asked() -> None:
        assert [w["pid"] for w in crew(service)][:2] == [0, 0]

    eventually(asked)
    return stopped


@pytest.mark.parametrize("by", ["KILL", "SEGV", "start_timeout"])
def test_a_mould_that_dies_with_requests(new_service: NewService, by: str) -> None:
    """A stopped mould, killed before it has answered: failed spawns, which are tried again."""
    service = new_service({"shop.py": QUICK})
    timeout = "1.5" if by == "start_timeout" else "none"
    service.start("shop:Orders", "--workers", "3", "--preload", "--start-timeout", timeout)
    stays = crew(service)[2]["pid"]
    stopped = _ask_a_stopped_mould(service)
    if by != "start_timeout":
        service.signal(by, stopped)
    if by == "SEGV":  # it acts when it is continued
        service.signal("CONT", stopped)
    service.wait_for(r"default-[01]\.\d+ could not be spawned: mould-default\.1")
    wait_gone(stopped)
    for index in (0, 1):
        service.wait_for(f"started {index} of generation 1", count=2)
    eventually(lambda: assert_at_strength(service, 3))
    assert crew(service)[2]["pid"] == stays
    assert ask(service, "reload")["status"] == 0
    eventually(lambda: assert_at_strength(service, 3))


def test_a_continued_mould_goes_on(new_service: NewService) -> None:
    """A mould that was only stopped for a while answers for all that it was asked."""
    service = new_service({"shop.py": QUICK})
    service.start("shop:Orders", "--workers", "3", "--preload")
    stopped = _ask_a_stopped_mould(service)
    service.signal("CONT", stopped)
    for index in (0, 1):
        service.wait_for(f"started {index} of generation 1", count=2)
    eventually(lambda: assert_at_strength(service, 3))
    assert mould(service) == stopped
    assert "could not be spawned" not in service.log


@pytest.mark.parametrize("verb", ["reload", "stop", "stop --now"])
def test_a_stopped_mould_blocks_nothing(new_service: NewService, verb: str) -> None:
    """With a stopped mould that was asked for workers a stop comes at once.

    A reload waits for what was asked for, and so no longer than start_timeout.
    """
    service = new_service({"shop.py": QUICK})
    options = ["--workers", "3", "--preload", "--stop-timeout", "none"]
    timeout = "1.5" if verb == "reload" else "none"
    service.start("shop:Orders", *options, "--start-timeout", timeout)
    stopped = _ask_a_stopped_mould(service)
    if verb == "reload":
        assert ask(service, "reload")["status"] == 0
        wait_gone(stopped)
        eventually(lambda: assert_at_strength(service, 3))
        assert ask(service, "stop")["status"] == 0
    else:
        tell(service, "stop", **({"now": True} if "now" in verb else {}))
    service.wait()
    assert not service.alive() and not service.run_dir.exists()


DIES_TELLING = """
    import os, signal
    from naruto import WorkerProcess

    forks = 0

    def once(name):
        try:
            os.unlink(name)
        except FileNotFoundError:
            return False
        return True

    def wait(name):
        os.read(os.open(name, os.O_RDONLY), 1)

    def in_parent():
        if forks == 1 and once("between waits"):
            wait("gate")
        elif forks == 0 and once("die"):
            if os.path.exists("born"):
                wait("born")
            os.kill(os.getpid(), signal.SIGKILL)

    def in_child():
        global forks
        forks += 1
        if forks == 2 and once("worker waits"):
            os.write(os.open("born", os.O_WRONLY), b"x")
            wait("gate")

    os.register_at_fork(after_in_parent=in_parent, after_in_child=in_child)

    class Orders(WorkerProcess):
        interval = "20ms"

        def on_start(self):
            print(f"started {self.index} of generation {self.generation}")

        def business(self):
            print(f"business {self.index} by {os.getpid()}")
"""
"""A mould that dies when it has forked a worker and not told of it, where there's a file.

Where it hands over, it waits with that for the worker, and the process in between for it.
"""

THREAD = """
    import threading
    threading.Thread(target=threading.Event().wait, daemon=True).start()
"""
"""With it a worker is not cloned but handed over."""


@pytest.mark.parametrize(
    "more",
    ["", THREAD],
    ids=["cloned", "handed over"],
)
def test_a_half_born_worker(new_service: NewService, more: str) -> None:
    """Forked, and its mould dead before it could tell: it never works, and does not live on."""
    service = new_service({"shop.py": more + DIES_TELLING})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2", "--preload")
        first = crew(service)[0]["pid"]
        if more:
            os.mkfifo(service.home / "born")
        for name in ("die", "between waits", "worker waits"):
            (service.home / name).touch()
        service.signal("KILL", first)
        service.wait_for(r"default-0\.\d+ could not be spawned: mould-default\.1")
        service.wait_for(f"business 0 by (?!{first}$)")
        gate.open()
        eventually(lambda: assert_at_strength(service, 2))
    worked = {line.rpartition(" ")[2].strip() for line in service.lines if "business 0" in line}
    assert worked - {str(first)} == {str(crew(service)[0]["pid"])}
    assert ask(service, "stop")["status"] == 0
    service.wait()
    assert not service.alive()


def test_a_half_born_worker_of_a_long_name(new_service: NewService) -> None:
    """So where the title of the mould is longer than ps(1) has room for."""
    service = new_service({"s.py": DIES_TELLING})
    name = "n" * 64
    settings = 'target = "s:Orders"\npreload = true\nrun_dir = "run"\n'
    service.write("naruto.toml", f'name = "{name}"\n{settings}')
    service.run([sys.executable, "-m", "naruto", "start"])
    [first] = pids(service)
    (service.home / "die").touch()
    service.signal("KILL", first)
    service.wait_for("could not be spawned")
    service.wait_for(f"business 0 by (?!{first}$)")

    def alone() -> None:
        assert len(pids(service)) == 1
        assert len(children(service.pid)) == 2

    eventually(alone)


def test_a_mould_that_ends_itself(new_service: NewService) -> None:
    """sys.exit() at import, or a mould that has gone after it, ends nobody but itself."""
    service = new_service({"shop.py": QUICK})
    service.start("shop:Orders", "--workers", "2", "--preload")
    before = pids(service)
    service.write("shop.py", "import sys\nsys.exit(3)\n")
    answer = ask(service, "reload")
    assert answer["status"] == 1 and "SystemExit: 3" in answer["text"]
    assert pids(service) == before
    assert shown(service)["state"] == "running"
    eventually(lambda: assert_at_strength(service, 2))
    assert len(moulds(service)) == 1
