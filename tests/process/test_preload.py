"""Preload: one import a generation, shared memory, and workers that are like any other."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.conftest import NewService
from tests.process.kin import (
    assert_at_strength,
    children,
    descriptors,
    mould,
    moulds,
)
from tests.process.stage import ask, crew, pids, shown, text_status
from tests.service import Service, eventually, wait_gone

COUNTED = """
    import os
    from naruto import WorkerProcess

    with open("imports", "a") as imports:
        imports.write(f"{os.getpid()}\\n")

    class Orders(WorkerProcess):
        interval = "20ms"

        def on_start(self):
            print(f"started {self.index} of generation {self.generation}")

        def business(self):
            pass
"""
"""A worker whose module keeps book of who imports it."""


def _importers(service: Service) -> list[int]:
    return [int(line) for line in (service.home / "imports").read_text().split()]


def test_one_import_a_generation(new_service: NewService) -> None:
    """The mould imports, whoever is spawned; a reload makes another, and the old one goes."""
    service = new_service({"shop.py": COUNTED})
    service.start("shop:Orders", "--workers", "4", "--preload")
    first = mould(service)
    assert _importers(service) == [first]
    gone = crew(service)[1]["pid"]
    service.signal("KILL", gone)
    service.wait_for("started 1 of generation 1", count=2)
    assert _importers(service) == [first]
    assert_at_strength(service, 4)
    assert ask(service, "reload")["status"] == 0
    wait_gone(first)
    second = mould(service)
    assert _importers(service) == [first, second]
    eventually(lambda: assert_at_strength(service, 4))


def test_a_reload_brings_todays_code(new_service: NewService) -> None:
    """What the first mould has imported is not what the second one's workers run."""
    service = new_service({"shop.py": COUNTED, "part.py": "WHAT = 'old'\n"})
    source = COUNTED.replace("import os", "import os, part").replace("started", "{part.WHAT}")
    service.write("shop.py", source)
    service.start("shop:Orders", "--workers", "2", "--preload")
    service.wait_for("INFO .* old 1 of generation 1")
    service.write("part.py", "WHAT = 'new'\n")
    assert ask(service, "reload")["status"] == 0
    service.wait_for("INFO .* new 1 of generation 2")
    assert "old" not in service.log.partition("generation 2")[2]


BOTH = """
    [groups.plain]
    target = "shop:Orders"
    workers = 2

    [groups.shared]
    target = "shop:Orders"
    workers = 3
    preload = true

    [groups.more]
    target = "more:Orders"
    workers = 2
    preload = true
"""


def test_workers_are_like_any_other(new_service: NewService) -> None:
    """The master's children, leaders of a group, with the descriptors of a plain worker.

    So over a reload, in two groups with a mould each and in one without.
    """
    service = new_service({"shop.py": COUNTED, "more.py": COUNTED, "naruto.toml": BOTH})
    service.start()
    for _ in range(2):
        eventually(lambda: _assert_two_moulds(service))
        master = service.pid
        [plain, *_] = (descriptors(pid) for pid in pids(service, "plain"))
        for group in ("plain", "shared", "more"):
            for pid in pids(service, group):
                status = text_status(pid)
                assert int(status["PPid"]) == master
                assert os.getpgid(pid) == pid
                assert int(status["SigBlk"], 16) == 0
                like = [what.replace(f"/{group}", "/plain") for what in descriptors(pid)]
                assert like == plain
                assert not any("socket" in what for what in like)
        assert ask(service, "reload")["status"] == 0
    assert len(_importers(service)) == 3 * (2 + 1 + 1)


def _assert_two_moulds(service: Service) -> None:
    titles = [title for title in children(service.pid).values() if " mould " in title]
    assert len(titles) == 2
    assert len(children(service.pid)) == 2 + 7
    [(one, first), (two, second)] = re.findall(r"mould-(\w+)\.(\d+)", " ".join(sorted(titles)))
    assert (one, two) == ("more", "shared") and first == second


FORKS = """
    import os
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "1h"

        def business(self):
            pid = os.fork()
            if pid == 0:
                self.look()
                print("the child's own", flush=True)
                os._exit(0)
            os.waitpid(pid, 0)
            print("seen by", self.group)

        @property
        def file(self):
            return f"seen-{self.group}-{self.index}"

        def look(self):
            with open("/proc/self/status") as status, open(self.file, "w") as out:
                out.writelines(line for line in status if line[:4] in ("SigB", "SigI", "SigC"))
                for fd in os.listdir("/proc/self/fd"):
                    try:
                        out.write(os.readlink(f"/proc/self/fd/{fd}") + "\\n")
                    except OSError:
                        pass  # the listing's own
"""


def test_what_a_worker_forks_is_clean(new_service: NewService) -> None:
    """A fork of a preloaded worker has nothing that a fork of a plain one hasn't."""
    toml = BOTH.partition("[groups.more]")[0].replace("= 3", "= 2")
    service = new_service({"shop.py": FORKS, "naruto.toml": toml}).start()
    seen = {}
    for group in ("plain", "shared"):
        service.wait_for(f"seen by {group}", count=2)
        text = (service.home / f"seen-{group}-0").read_text()
        assert str(service.run_dir) not in text
        assert "memfd" not in text and "anon_inode" not in text and "socket" not in text
        seen[group] = sorted(re.sub(r"\[\d+\]|seen-[\w-]+|proc.\d+", "", text).splitlines())
    assert seen["plain"] == seen["shared"]
    assert ask(service, "stop")["status"] == 0
    service.wait()
    assert service.log.count("the child's own") == 4
    assert not re.search("(INFO|WARNING).*(the child's own|Exception)", service.log)


ROOMY = """
    from naruto import WorkerProcess

    ROOM = bytearray(b"x" * 30_000_000)

    class Orders(WorkerProcess):
        interval = "20ms"

        def business(self):
            ROOM[0]
"""


def test_memory_is_shared(new_service: NewService) -> None:
    """Four workers of a module that holds 30 MB: with a mould less than half the memory."""
    total = {}
    for option in ("--preload", "--no-preload"):
        service = new_service({"shop.py": ROOMY}, name=f"home{option}")
        service.start("shop:Orders", "--workers", "4", option)
        _until_all_have_looped(service)
        total[option] = sum(_proportional_kb(pid) for pid in children(service.pid))
        assert ask(service, "stop")["status"] == 0
    assert total["--no-preload"] > 4 * 30_000
    assert total["--preload"] < total["--no-preload"] / 2


def _until_all_have_looped(service: Service) -> None:
    def looped() -> None:
        assert all(worker["loops"] > 1 for worker in crew(service))

    eventually(looped)


def _proportional_kb(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found
    return int(found[1])


FORKS_BADLY = {
    "a thread 'watcher'": """
import threading
threading.Thread(target=threading.Event().wait, name="watcher", daemon=True).start()
""",
    "an open socket": """
import socket
SOCKET = socket.socket()
""",
    "an event loop": """
import asyncio
LOOP = asyncio.new_event_loop()
""",
}
"""What a module may have after its import, and how it's named."""


@pytest.mark.parametrize("what", FORKS_BADLY)
def test_what_forks_badly_is_named(new_service: NewService, what: str) -> None:
    """A warning names it; the workers come all the same, as children of the master."""
    source = "\n    ".join(FORKS_BADLY[what].splitlines()) + COUNTED
    service = new_service({"shop.py": source})
    service.start("shop:Orders", "--workers", "3", "--preload")
    service.wait_for(rf"WARNING .*mould-default\.1\[\d+\] .* has {what}.*preload")
    assert_at_strength(service, 3)
    for pid in pids(service):
        assert int(text_status(pid)["PPid"]) == service.pid
    assert len(_importers(service)) == 1
    assert ask(service, "reload")["status"] == 0
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert not service.alive()


def test_a_quiet_module_is_not_warned_of(new_service: NewService) -> None:
    """Where there is nothing to warn of, nothing is said."""
    service = new_service({"shop.py": COUNTED})
    service.start("shop:Orders", "--preload")
    ask(service, "status")
    assert "WARNING" not in service.log


def test_what_is_printed_at_import(new_service: NewService) -> None:
    """It's logged once, by the mould; what holds on to its streams prints in the workers."""
    source = """
        import logging, sys
        from naruto import WorkerProcess

        print("imported")
        logging.basicConfig(stream=sys.stdout, format="from logging: %(message)s", level=20)

        class Orders(WorkerProcess):
            interval = "1h"

            def business(self):
                print("printed by", self.index)
                logging.info("noted by %s", self.index)
    """
    service = new_service({"shop.py": source})
    service.start("shop:Orders", "--workers", "2", "--preload")
    service.wait_for(r"INFO .* mould-default\.1\[\d+\] imported$")
    for index in (0, 1):
        service.wait_for(rf"INFO .* default-{index}\[\d+\] printed by {index}$")
        service.wait_for(rf"INFO .* default-{index}\[\d+\] from logging: noted by {index}$")
    assert service.log.count("imported\n") == 1


def test_what_is_printed_without_a_newline(new_service: NewService) -> None:
    """It's neither lost nor printed by each worker once more."""
    source = COUNTED + "\n    print('half a line', end='')\n"
    service = new_service({"shop.py": source})
    service.start("shop:Orders", "--workers", "2", "--preload")
    service.wait_for("started 1")
    assert ask(service, "stop")["status"] == 0
    service.wait()
    assert service.log.count("half a line") == 1


def test_moulds_of_a_stopped_service(new_service: NewService) -> None:
    """Nothing is left of a service with moulds, whether it is stopped or quits."""
    for verb in ("stop", "quit"):
        service = new_service({"shop.py": COUNTED}, name=f"home-{verb}")
        service.start("shop:Orders", "--workers", "2", "--preload")
        assert moulds(service)
        assert ask(service, verb)["status"] == 0
        assert service.wait() == 0
        assert not service.alive() and not service.run_dir.exists()
        assert "ERROR" not in service.log


def test_who_speaks_before_its_mould_has_told_of_it(new_service: NewService) -> None:
    """A worker that is READY before the master knows of its birth is not forgotten."""
    source = """
        import os
        from naruto import WorkerProcess

        def told_late():
            if os.path.exists("slow"):  # until the worker has been READY for long
                os.read(os.open("slow", os.O_RDONLY), 1)

        os.register_at_fork(after_in_parent=told_late)

        class Orders(WorkerProcess):
            interval = "20ms"

            def business(self):
                print(f"business {self.index}")
    """
    service = new_service({"shop.py": source})
    os.mkfifo(service.home / "slow")
    service.start("shop:Orders", "--preload", wait_until="imports the code")
    gate = os.open(service.home / "slow", os.O_RDWR)
    (worker,) = _waiting_workers(service)
    assert shown(service)["groups"][0]["workers"][0]["state"] == "forking"
    os.write(gate, b"x")
    service.wait_for("business 0")
    assert pids(service) == {worker}
    os.close(gate)
    (service.home / "slow").unlink()
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0


def _waiting_workers(service: Service) -> list[int]:
    """Return the pids of workers that wait to be told to go, by their title."""
    found: list[int] = []

    def waits() -> None:
        found[:] = [
            pid
            for pid in service.alive()
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"naruto: worker ")
            and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
        ]
        assert found

    eventually(waits)
    return found
