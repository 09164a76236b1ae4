"""What a worker starts or forks is clean of naruto, and what a worker itself is made of."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import NewService
from tests.process.stage import Gate, ask, crew, pids, signals, text_status
from tests.service import Service

LOOK = "cat /proc/self/status; ls -l /proc/self/fd"
"""What a program says of itself: cat has no handlers, ls one more descriptor."""

STARTS = {
    "subprocess": f"subprocess.run(['sh', '-c', {LOOK!r}], stdout=out, check=True)",
    "not close_fds": f"subprocess.run(['sh', '-c', {LOOK!r}], stdout=out, close_fds=False)",
    "os.system": f"os.system({'(' + LOOK + ') > seen'!r})",
    "os.fork": f"""
pid = os.fork()
if pid == 0:
    os.dup2(out.fileno(), 1)
    os.execvp('sh', ['sh', '-c', {LOOK!r}])
os.waitpid(pid, 0)
""",
    "posix_spawn": f"""
pid = os.posix_spawn('/bin/sh', ['sh', '-c', {"(" + LOOK + ") > seen"!r}], os.environ)
os.waitpid(pid, 0)
""",
}

FORKED = """
import os, signal, sys

def look(out):
    with open("/proc/self/status") as status:
        out.write(status.read())
    for fd in os.listdir("/proc/self/fd"):
        try:
            out.write(f"{fd} -> {os.readlink('/proc/self/fd/' + fd)}\\n")
        except OSError:
            pass  # the listing's own
    out.flush()

def look_into(path):
    with open(path, "w") as out:
        look(out)

def wait():
    print("child waits")
    signal.pause()
"""

RUNS = """
import multiprocessing, os, subprocess, sys
import forked
from naruto import WorkerProcess

class Orders(WorkerProcess):
    interval = "1h"
    max_interval = "1h"

    def business(self):
        with open("seen", "w") as out:
            {}
        print("seen")
"""


def _program(code: str) -> dict[str, str]:
    indented = "\n            ".join(dedent(code).strip().splitlines())
    return {"shop.py": RUNS.format(indented), "forked.py": FORKED}


def _assert_clean(service: Service, seen: str) -> None:
    """See that a process has nothing that a program started by a shell hasn't."""
    fields = dict(re.findall(r"^(\w+):\s+(\S+)", seen, re.MULTILINE))
    assert signals(fields["SigBlk"]) == set()
    ours = {*range(1, 32)} - {signal.SIGPIPE, signal.SIGXFSZ}
    assert (
        signals(fields["SigIgn"]) & ours == signals(text_status(os.getpid())["SigIgn"]) & ours
    )
    links = re.findall(r"(\d+) -> (.*)$", seen, re.MULTILINE)
    assert links
    for _, target in links:
        assert not target.startswith(str(service.run_dir))
        assert "memfd" not in target
        assert "signalfd" not in target and "eventpoll" not in target
    lifelines = {
        os.readlink(f"/proc/{service.pid}/fd/{fd}") for fd in _descriptors(service.pid)
    }
    assert not {link for link in lifelines if link.startswith("pipe")} & (
        {target for number, target in links if int(number) > 2}
    )


def _descriptors(pid: int) -> list[str]:
    return os.listdir(f"/proc/{pid}/fd")


@pytest.mark.parametrize("how", STARTS)
def test_a_program_started_by_business(new_service: NewService, how: str) -> None:
    """Default dispositions, no handler, an empty mask, no descriptor of naruto's."""
    service = new_service(_program(STARTS[how])).start("shop:Orders", "--workers", "1")
    service.wait_for("INFO .* seen$")
    seen = (service.home / "seen").read_text()
    _assert_clean(service, seen)
    assert re.search(r"^SigCgt:\s+0+$", seen, re.MULTILINE)


MULTI = """
            context = multiprocessing.get_context({!r})
            child = context.Process(target=forked.look_into, args=("seen-by-it",))
            child.start()
            child.join()
            print("looked", child.exitcode)
            child = context.Process(target=forked.wait)
            child.start()
            print("pid of", child.pid)
            child.terminate()
            child.join()
            print("terminated", child.exitcode)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(new_service: NewService, method: str) -> None:
    """Its processes are clean, and Process.terminate() ends them as it should."""
    service = new_service(_program(MULTI.format(method))).start("shop:Orders")
    service.wait_for("looked 0")
    seen = (service.home / "seen-by-it").read_text()
    _assert_clean(service, seen)
    fields = dict(re.findall(r"^(\w+):\s+(\S+)", seen, re.MULTILINE))
    assert signal.SIGTERM not in signals(fields["SigCgt"])
    service.wait_for(f"terminated -{int(signal.SIGTERM)}")


def test_a_forked_process_is_no_worker(new_service: NewService) -> None:
    """What a worker forks neither obeys nor reads its pipe, and its prints are its own."""
    code = """
    pid = os.fork()
    if pid == 0:
        print("child", flush=True)
        self.working_on = "the child's own"
        asked = self.exit_flag, self.time_left(), self.sleep(0)
        os._exit(0 if asked == (False, None, False) else 1)
    print("child ended", os.waitpid(pid, 0)[1])
    """
    service = new_service(_program(code)).start("shop:Orders")
    service.wait_for("^child$")
    service.wait_for(r"INFO .*default-0\[\d+\] child ended 0")
    [worker] = crew(service)
    assert worker["working_on"] != "the child's own"
    assert ask(service, "stop")["status"] == 0


def test_a_child_of_a_loop_may_outlive_a_reload(new_service: NewService) -> None:
    """A forked child that lives on keeps no pipe, lifeline or lock of naruto's open."""
    code = """
    if self.generation == 1:
        pid = os.fork()
        if pid == 0:
            os.read(os.open("gate", os.O_RDONLY), 1)
            os._exit(0)
    """
    service = new_service(_program(code))
    with Gate(service.home / "gate"):
        service.start("shop:Orders")
        service.wait_for("INFO .* seen$")
        assert ask(service, "reload")["status"] == 0
        assert ask(service, "stop")["status"] == 0
        assert service.wait() == 0
        assert service.command("status").returncode == 3
        assert not service.run_dir.exists()


def test_what_a_worker_is(new_service: NewService) -> None:
    """Its parent is the master, it leads its group, its stdin is /dev/null, over reloads."""
    service = new_service(_program("pass")).start("shop:Orders", "--workers", "3")
    master = service.pid
    for _ in range(2):
        workers = pids(service)
        assert len(workers) == 3
        for pid in workers:
            assert int(text_status(pid)["PPid"]) == master
            assert os.getpgid(pid) == pid
            assert os.getsid(pid) == os.getsid(master)
            assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
            assert signals(text_status(pid)["SigBlk"]) == set()
        assert ask(service, "reload")["status"] == 0


def test_a_worker_holds_nothing_of_others(new_service: NewService) -> None:
    """Of FIFOs a worker has its own and the master's, and no other worker's, nor the lock."""
    service = new_service(_program("pass")).start("shop:Orders", "--workers", "3")
    ask(service, "reload")
    for worker in crew(service):
        fds = Path(f"/proc/{worker['pid']}/fd")
        links = [os.readlink(fd) for fd in fds.iterdir()]
        ours = sorted(os.path.basename(x) for x in links if x.startswith(str(service.run_dir)))
        assert ours == [f"default-{worker['index']}.{worker['serial']}.pipe", "master.pipe"]
        assert len([link for link in links if "last-words" in link]) == 1
        assert [link for link in links if "anon_inode" in link] == ["anon_inode:[eventfd]"]


def test_titles(new_service: NewService) -> None:
    """Every process of a service names itself in ps."""
    service = new_service(_program("pass")).start("shop:Orders", "--name", "till")
    master = Path(f"/proc/{service.pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    assert master == f"naruto: master till ({service.run_dir})"
    [worker] = crew(service)
    title = Path(f"/proc/{worker['pid']}/cmdline").read_bytes().rstrip(b"\0").decode()
    assert title == f"naruto: worker default-0.{worker['serial']} till"
