"""The whole tree: what a worker leaves behind ends with it, and nobody else's does."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.conftest import NewService
from tests.process.stage import Gate, ask, crew, pids
from tests.service import Service, eventually, wait_gone

FAMILY = """
    import os
    import signal
    import subprocess
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "20ms"

        def on_start(self):
            self.left("child", subprocess.Popen(["sleep", "1000"]).pid)
            self.left("session", subprocess.Popen(["setsid", "sleep", "1000"]).pid)
            self.left("daemon", daemonised(lambda: os.execvp("sleep", ["sleep", "1000"])))
            self.left("forked", daemonised(signal.pause))
            bare = {name: os.environ[name] for name in os.environ if name == "NARUTO_TESTED_BY"}
            self.left("unmarked", subprocess.Popen(["sleep", "1000"], env=bare).pid)
            print("started", self.index)

        def left(self, kind, pid):
            print(f"left {kind} by {self.index} of {os.getpid()}: {pid}")

        def business(self):
            pass


    def daemonised(then):
        seen, said = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(said, str(os.getpid()).encode())
                then()
            os._exit(0)
        os.wait()
        return int(os.read(seen, 20))
"""
"""A worker that leaves behind all that can be left behind, and says what it was."""

KINDS = ("child", "session", "daemon", "forked", "unmarked")

STUBBORN = """
    import subprocess
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "20ms"

        def on_start(self):
            wait = "trap '' TERM; echo deaf; exec sleep 1000"
            shell = subprocess.Popen(["setsid", "sh", "-c", wait], stdout=subprocess.PIPE)
            shell.stdout.readline()
            print(f"left deaf by {self.index} of {self.pid}: {shell.pid}")
            obedient = subprocess.Popen(["setsid", "sleep", "1000"])
            print(f"left obedient by {self.index} of {self.pid}: {obedient.pid}")

        def business(self):
            pass
"""


def left_by(service: Service, worker: int) -> dict[str, int]:
    """What a worker has said that it leaves behind: kind to pid."""
    found = re.findall(rf"left (\w+) by \d+ of {worker}: (\d+)", service.log)
    return {kind: int(pid) for kind, pid in found}


def gone(pid: int) -> None:
    """Wait until a process has ended and was reaped."""
    wait_gone(pid)

    def reaped() -> None:
        assert not Path(f"/proc/{pid}").exists(), f"pid {pid} is a zombie"

    eventually(reaped)


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def started(service: Service, *args: str) -> tuple[int, int]:
    """Start two workers with their families; return their pids."""
    service.write("shop.py", FAMILY)
    service.start("shop:Orders", "--workers", "2", "--min-uptime", "1ms", *args)
    service.wait_for(r"\] started \d", count=2)
    first, second = sorted(pids(service))
    for worker in (first, second):
        assert tuple(left_by(service, worker)) == KINDS
        assert all(alive(pid) for pid in left_by(service, worker).values())
    return first, second


@pytest.mark.parametrize("how", ["KILL", "SEGV", "TERM"])
def test_after_a_worker_s_end(new_service: NewService, how: str) -> None:
    """All that it has left is gone; what another worker of the group has is untouched."""
    service = new_service()
    first, second = started(service)
    service.signal(how, first)
    for pid in left_by(service, first).values():
        gone(pid)
    service.wait_for(r"\] started \d", count=3)
    assert all(alive(pid) for pid in left_by(service, second).values())
    [third] = pids(service) - {second}
    assert all(alive(pid) for pid in left_by(service, third).values())
    kinds = "|".join(str(left_by(service, first)[kind]) for kind in KINDS[1:4])
    service.wait_for(rf"pid ({kinds}) \(.*\), left behind by default-\d\.\d+, is asked to end")


def test_after_a_reload(new_service: NewService) -> None:
    """Nothing of the old workers is left, and everything of the new ones is."""
    service = new_service()
    workers = started(service)
    before = [pid for worker in workers for pid in left_by(service, worker).values()]
    assert ask(service, "reload")["status"] == 0
    for pid in before:
        gone(pid)
    for worker in pids(service):
        assert tuple(left_by(service, worker)) == KINDS
        assert all(alive(pid) for pid in left_by(service, worker).values())


@pytest.mark.parametrize(("verb", "now"), [("quit", False), ("stop", False), ("stop", True)])
def test_after_the_end(new_service: NewService, verb: str, now: bool) -> None:
    """When the master has ended nothing is left, whoever started it."""
    service = new_service()
    workers = started(service)
    ask(service, verb, **({"now": True} if now else {}))
    service.wait()
    assert not any(alive(p) for w in workers for p in left_by(service, w).values())
    assert not service.alive()


UNKNOWN = """
    import os
    import subprocess

    def poll():
        if not os.path.exists("left"):
            open("left", "w").close()
            bare = {"NARUTO_TESTED_BY": os.environ["NARUTO_TESTED_BY"]}
            pid = subprocess.Popen(["setsid", "sleep", "1000"], env=bare).pid
            print(f"left unknown by 0 of {os.getpid()}: {pid}")
"""


def test_one_of_whom_nothing_is_known(new_service: NewService) -> None:
    """A session of its own, and no environment: it ends with the service at the latest."""
    service = new_service({"shop.py": UNKNOWN}).start("shop:poll")
    service.wait_for("left unknown")
    [worker] = pids(service)
    service.signal("KILL", worker)
    service.wait_for("ended with signal KILL")
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert not service.alive()


EMBEDS = """
    import subprocess
    from naruto import Manager

    own = subprocess.Popen(["sleep", "1000"])
    print("the program's own:", own.pid, flush=True)
    Manager("shop:Orders", run_dir="run", log_level="info").run()
    print("and after:", own.poll(), flush=True)
    own.kill()
    own.wait()
"""


def test_embedded_in_a_program(new_service: NewService) -> None:
    """The group of a worker ends with it; a child of the program's own is let alone."""
    service = new_service({"shop.py": FAMILY, "program.py": EMBEDS})
    service.run([sys.executable, "program.py"], r"\] started 0")
    [worker] = pids(service)
    left = left_by(service, worker)
    service.signal("KILL", worker)
    for kind in ("child", "unmarked"):
        wait_gone(left[kind])
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    service.wait_for("and after: None")


def test_after_a_restart(new_service: NewService) -> None:
    """The new image has nothing of the old one's to inherit."""
    service = new_service()
    workers = started(service)
    assert ask(service, "restart")["status"] == 0
    assert not any(alive(p) for w in workers for p in left_by(service, w).values())


def test_who_ignores_term_is_killed(new_service: NewService) -> None:
    """After the grace of 2 s, though its worker has a successor and the service goes on."""
    service = new_service({"shop.py": STUBBORN}).start("shop:Orders")
    [worker] = pids(service)
    deaf = left_by(service, worker)["deaf"]
    service.signal("KILL", worker)
    service.wait_for(rf"pid {deaf} .* is asked to end")
    assert alive(deaf)
    service.wait_for(rf"pid {deaf} has not ended within 2 s and is killed")
    gone(deaf)
    [successor] = pids(service)
    assert alive(left_by(service, successor)["deaf"])


def test_who_ignores_term_is_killed_at_the_end(new_service: NewService) -> None:
    """The master waits for it, and then ends."""
    service = new_service({"shop.py": STUBBORN}).start("shop:Orders")
    [worker] = pids(service)
    deaf = left_by(service, worker)["deaf"]
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert f"pid {deaf} has not ended within 2 s and is killed" in service.log
    assert not alive(deaf)


def test_one_that_is_stopped_obeys(new_service: NewService) -> None:
    """A stopped process is continued, or it could not obey."""
    service = new_service()
    first, _ = started(service)
    left = left_by(service, first)
    service.signal("STOP", left["session"])
    service.signal("KILL", first)
    gone(left["session"])
    assert f"pid {left['session']} has not ended within" not in service.log


LATE = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "20ms"

        def on_start(self):
            print("started", self.index)

        def business(self):
            if self.index == 0 and os.path.exists("leave"):
                os.unlink("leave")
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        os.read(os.open("gate", os.O_RDONLY), 1)
                        open("finished", "w").close()
                    os._exit(0)
                os.wait()
                print("left")
"""


def test_a_daemon_works_as_long_as_its_worker(new_service: NewService) -> None:
    """Whoever daemonises while the worker lives is let alone: it may finish its work."""
    service = new_service({"shop.py": LATE})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2", "--min-uptime", "1ms")
        (service.home / "leave").touch()
        service.wait_for("left")
        for times in (2, 3, 4):  # the master looks at its strays whenever a child ends
            [other] = [worker["pid"] for worker in crew(service) if worker["index"] == 1]
            service.signal("KILL", other)
            service.wait_for("started 1", count=times)
        gate.let(1)

        def finished() -> None:
            assert (service.home / "finished").exists()

        eventually(finished)
    assert "is asked to end" not in service.log


ORPHANS = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "1ms"

        def business(self):
            if os.fork() == 0:
                if os.fork() == 0:
                    print(f"grandchild {os.getpid()}", flush=True)
                os._exit(0)
            os.wait()
"""


def test_zombies_are_reaped(new_service: NewService) -> None:
    """Who loses its parent and ends becomes the master's child, and no zombie."""
    service = new_service({"shop.py": ORPHANS}).start("shop:Orders")
    service.wait_for("grandchild", count=50)
    assert ask(service, "status")["status"] == 0
    for pid in re.findall(r"grandchild (\d+)", service.log)[:40]:
        gone(int(pid))
    assert " ERROR " not in service.log


def test_an_orphaned_worker_takes_its_group_along(new_service: NewService) -> None:
    """The master is dead: what is in the worker's own process group still ends with it."""
    service = new_service()
    workers = started(service)
    children = [left_by(service, worker)["child"] for worker in workers]
    service.signal("KILL")
    for pid in (*workers, *children):
        wait_gone(pid)


# --exit-with-parent


def wrapped(service: Service, *args: str) -> Service:
    """Start the service below a shell that passes no signal on."""
    command = [sys.executable, "-m", "naruto", "start", "--run-dir", str(service.run_dir)]
    line = shlex.join([*command, "shop:Orders", *args])
    return service.run(["sh", "-c", f"{line}; echo the shell goes on"])


def test_exit_with_parent(new_service: NewService) -> None:
    """A wrapper that is killed leaves no service behind."""
    service = wrapped(new_service({"shop.py": FAMILY}), "--exit-with-parent")
    service.wait_for(r"\] started \d")
    master, [worker] = service.pid, pids(service)
    assert service.process is not None
    assert master != service.process.pid
    service.signal("KILL", service.process.pid)
    service.wait_for(r"stop asked for by the end of its parent \(--exit-with-parent\)")
    wait_gone(master)
    assert not any(alive(pid) for pid in (worker, *left_by(service, worker).values()))
    assert not service.run_dir.exists()


def test_without_it_the_service_goes_on(new_service: NewService) -> None:
    """As any daemon's starter may go away."""
    service = wrapped(new_service({"shop.py": FAMILY}))
    assert service.process is not None
    service.process.send_signal(signal.SIGKILL)
    assert service.wait() == -signal.SIGKILL
    assert ask(service, "status")["status"] == 0
    assert ask(service, "stop")["status"] == 0
