"""What the system gives a worker: its user, limits, niceness, umask, directory, environment."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewService
from tests.process.stage import ask, crew, pids, shown
from tests.service import Service, eventually

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root can give a worker another user")

TELLS = """
    import json
    import os
    import resource
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "20ms"
        told = False

        def business(self):
            if self.told:
                return
            self.told = True
            os.close(os.open(f"made by {self.group}", os.O_CREAT, 0o666))
            print("sees " + json.dumps({
                "group": self.group,
                "uids": os.getresuid(),
                "gids": os.getresgid(),
                "groups": sorted(os.getgroups()),
                "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
                "core": resource.getrlimit(resource.RLIMIT_CORE),
                "nice": os.getpriority(os.PRIO_PROCESS, 0),
                "cwd": os.getcwd(),
                "environment": {k: v for k, v in os.environ.items() if k.startswith("SHOP")},
            }))

        def on_stop(self, reason):
            print("on_stop as", os.getuid())
"""
"""A worker that says in its first loop what it was given."""


def seen(service: Service, group: str = "default") -> dict[str, Any]:
    """What the newest worker of a group has said."""
    text = service.wait_for(rf'sees {{"group": "{group}"').partition("sees ")[2]
    found: dict[str, Any] = json.loads(text)
    return found


STARTER = """
    import importlib.metadata, json, resource, time  # what a worker would import later
    from naruto.__main__ import main

    main()
"""


def start_for(
    service: Service, user: pwd.struct_passwd, *args: str, wait_until: str = " is up: "
) -> None:
    """Start a service whose workers are another user's.

    The interpreter of whoever runs this suite need not be readable by that user, so all
    that its workers need is imported by the master.
    """
    service.write("starter.py", STARTER)
    where = ["--run-dir", str(service.run_dir), "--user", user.pw_name]
    service.run(
        [sys.executable, "starter.py", "start", "shop:Orders", *where, *args], wait_until
    )


@pytest.fixture
def open_service() -> Iterator[Service]:
    """A service in a directory that every user may read: pytest's own are closed."""
    home = Path(tempfile.mkdtemp(prefix="naruto-rights-"))
    home.chmod(0o755)
    service = Service(home)
    service.write("shop.py", TELLS)
    try:
        yield service
    finally:
        service.close()
        shutil.rmtree(home)


@pytest.fixture
def somebody() -> pwd.struct_passwd:
    """A user without rights; one with several groups, where there is one."""
    users = [u for u in pwd.getpwall() if u.pw_uid and u.pw_gid]
    with_groups = [u for u in users if len(os.getgrouplist(u.pw_name, u.pw_gid)) > 1]
    return (with_groups or [pwd.getpwnam("nobody")])[0]


# The user


@as_root
def test_user(open_service: Service, somebody: pwd.struct_passwd) -> None:
    """Real, effective and saved; the groups are the user's, and none of root's."""
    service = open_service
    service.home.chmod(0o777)  # business() makes a file there
    start_for(service, somebody)
    found = seen(service)
    assert found["uids"] == [somebody.pw_uid] * 3
    assert found["gids"] == [somebody.pw_gid] * 3
    assert found["groups"] == sorted(os.getgrouplist(somebody.pw_name, somebody.pw_gid))
    [worker] = pids(service)
    assert Path(f"/proc/{worker}").stat().st_uid in (0, somebody.pw_uid)
    assert (service.home / "made by default").stat().st_uid == somebody.pw_uid
    assert os.stat(f"/proc/{service.pid}").st_uid == 0


@as_root
def test_group_alone(open_service: Service, somebody: pwd.struct_passwd) -> None:
    """A group without a user: root's uid, and that one group alone."""
    name = grp.getgrgid(somebody.pw_gid).gr_name
    open_service.start("shop:Orders", "--group", name)
    found = seen(open_service)
    assert found["uids"] == [0] * 3
    assert found["gids"] == [somebody.pw_gid] * 3
    assert found["groups"] == [somebody.pw_gid]


@as_root
def test_root_still_supervises(open_service: Service, somebody: pwd.struct_passwd) -> None:
    """Status, a reload, a crash, recycling by hand and a stop work for another's workers."""
    service = open_service
    service.home.chmod(0o777)
    start_for(service, somebody, "--workers", "2")
    assert ask(service, "reload")["status"] == 0
    service.wait_for(f"on_stop as {somebody.pw_uid}", count=2)
    [first, second] = crew(service)
    service.signal("KILL", first["pid"])
    service.wait_for(rf"pid {first['pid']}, .* ended with signal KILL")
    service.echo("quit\n", f"default-1.{second['serial']}.pipe")
    service.wait_for(rf"pid {second['pid']}, .* ended with exit status 0")

    def filled() -> None:
        assert [w["state"] for w in crew(service)] == ["resting"] * 2

    eventually(filled)
    for pid in pids(service):
        assert os.stat(f"/proc/{pid}/task/{pid}/comm").st_uid in (0, somebody.pw_uid)
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0


@as_root
def test_a_user_s_worker_is_recycled_and_dumped(
    open_service: Service, somebody: pwd.struct_passwd
) -> None:
    """What root's rights opened for it still works: its memory, its stacks, its last words."""
    service = open_service
    service.write(
        "shop.py",
        """
        import os
        import time
        from naruto import WorkerProcess

        class Orders(WorkerProcess):
            interval = "10ms"
            leaked = b""

            def business(self):
                self.leaked += b"x" * 200_000
                if os.path.exists("hang"):
                    self.hang()

            def hang(self):
                time.sleep(3600)
        """,
    )
    start_for(service, somebody, "--max-memory", "5MB", "--loop-timeout", "500ms")
    service.wait_for(r"asks to be replaced: [\d.]+ MB more than it had \(max_memory\)")
    service.wait_for("ended with exit status 0 after reload")
    (service.home / "hang").touch()
    service.wait_for("was killed .its loop ran longer than loop_timeout")
    service.wait_for(r"shop\.py\", line \d+ in hang")


@as_root
def test_the_log_is_the_user_s(open_service: Service, somebody: pwd.struct_passwd) -> None:
    """The file belongs to the worker's user, who can open it anew when it was moved."""
    service = open_service
    service.write(
        "shop.py", TELLS.replace("if self.told:", 'print("loops")\n            if 1:')
    )
    log = service.home / "naruto.log"
    start_for(service, somebody, "--log-file", str(log), wait_until="")

    def logged(text: str) -> None:
        assert log.exists()
        assert re.search(text, log.read_text())

    eventually(lambda: logged(r"default-0\[\d+\] loops"))
    assert log.stat().st_uid == somebody.pw_uid
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    [before] = pids(service)
    log.rename(service.home / "naruto.log.1")
    service.echo("nonsense\n")  # the directory is root's: so the master makes the new file
    eventually(lambda: logged(r"master\[\d+\] .*nonsense"))
    assert log.stat().st_uid == somebody.pw_uid
    eventually(lambda: logged(rf"default-0\[{before}\] loops"))
    assert pids(service) == {before}


# The rest, which needs no rights

TWO_GROUPS = """
    environment = {SHOP = "ours"}

    [groups.strict]
    target = "shop:Orders"
    limits = {nofile = 64, core = 0}
    nice = 7
    umask = "077"
    directory = "strict"
    environment = {SHOP_NAME = "strict"}

    [groups.plain]
    target = "shop:Orders"
"""


def test_each_group_has_its_own(new_service: NewService) -> None:
    """business() sees what its own group was given, and the master and others none of it."""
    service = new_service({"shop.py": TELLS, "strict/shop.py": TELLS})
    service.write("naruto.toml", TWO_GROUPS)
    service.start()
    strict, plain = seen(service, "strict"), seen(service, "plain")
    assert strict["nofile"] == [64, 64]
    assert strict["core"] == [0, 0]
    assert strict["nice"] == 7
    assert strict["cwd"] == str((service.home / "strict").resolve())
    assert strict["environment"] == {"SHOP": "ours", "SHOP_NAME": "strict"}
    assert plain["nofile"] != [64, 64]
    assert plain["nice"] == os.getpriority(os.PRIO_PROCESS, 0)
    assert plain["cwd"] == str(service.home.resolve())
    assert plain["environment"] == {"SHOP": "ours"}
    made = service.home / "strict/made by strict"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    mask = os.umask(0o022)
    os.umask(mask)
    made = service.home / "made by plain"
    assert stat.S_IMODE(made.stat().st_mode) == 0o666 & ~mask
    master = Path(f"/proc/{service.pid}/limits").read_text()
    assert not re.search(r"Max open files +64 ", master)


def test_a_reload_gives_anew(new_service: NewService) -> None:
    """What has changed in the file counts for the new workers."""
    service = new_service({"shop.py": TELLS})
    service.write("naruto.toml", 'target = "shop:Orders"\nenvironment = {SHOP = "old"}\n')
    service.start()
    assert seen(service)["environment"] == {"SHOP": "old"}
    service.write("naruto.toml", 'target = "shop:Orders"\nenvironment = {SHOP_B = "new"}\n')
    assert ask(service, "reload")["status"] == 0
    text = service.wait_for("sees", count=2)
    assert '"environment": {"SHOP_B": "new"}' in text


def test_a_limit_ends_who_exceeds_it(new_service: NewService) -> None:
    """A limit of processor time is the kernel's to enforce, and the record says by what."""
    source = "def poll():\n    while True: pass\n"
    service = new_service({"shop.py": source}).start("shop:poll", "--limits", "cpu=1 core=0")
    service.wait_for(r"ended with signal (KILL|XCPU) in a loop for")
    [record, *_] = shown(service)["groups"][0]["last_exits"]
    assert record["signal"] in ("KILL", "XCPU")
    assert record["by"] == "nobody of naruto's"


# What can't be given


@as_root
def test_a_limit_that_the_kernel_refuses(new_service: NewService) -> None:
    """The start fails, with words, and nobody has worked with another limit."""
    service = new_service({"shop.py": TELLS})
    service.start("shop:Orders", "--limits", "nofile=2000000000", wait_until="")
    assert service.wait() == 1
    service.wait_for("group default: limit nofile = 2000000000: ")
    assert "sees" not in service.log
    assert "start failed: worker default-0" in service.log
    assert not (service.home / "made by default").exists()


@as_root
def test_a_reload_that_the_kernel_refuses(new_service: NewService) -> None:
    """It changes nothing, and says why."""
    service = new_service({"shop.py": TELLS})
    service.write("naruto.toml", 'target = "shop:Orders"\n')
    service.start()
    before = pids(service)
    service.write("naruto.toml", 'target = "shop:Orders"\nlimits = {nofile = 2000000000}\n')
    done = service.command("reload")
    assert done.returncode == 1
    assert "limit nofile = 2000000000" in done.stderr
    assert pids(service) == before


BECOME = """
    import os
    from naruto import Manager, launch
    from naruto.__main__ import main
    from naruto.cli import commands, show

    # All that is needed is imported as root: not everybody can read every interpreter.
    Manager("shop:Orders").settings
    os.setgroups([])
    os.setresgid(*3 * [{gid}])
    os.setresuid(*3 * [{uid}])
    main()
"""


@as_root
@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--user", "root"], "to run as another user needs root"),
        (["--group", "root"], "to run as another group needs root"),
        (["--nice", "-5"], "needs root"),
        (["--limits", "nofile=2000000000"], "needs root"),
    ],
)
def test_what_needs_root(open_service: Service, args: list[str], says: str) -> None:
    """Asked for by whoever is not root it is refused with 2, before anything is started."""
    service = open_service
    nobody = pwd.getpwnam("nobody")
    become = service.write("become.py", BECOME.format(gid=nobody.pw_gid, uid=nobody.pw_uid))
    service.home.chmod(0o777)
    run_dir = ["--run-dir", str(service.run_dir)]
    command = [sys.executable, str(become), "start", *run_dir]
    service.run([*command, "shop:Orders", *args], wait_until="")
    service.wait_for(says)
    assert service.wait() == 2
    assert "sees" not in service.log
    assert not (service.home / "made by default").exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--user", "no-such-user"], "there is no user 'no-such-user' on this system"),
        (["--group", "no-such-group"], "there is no group 'no-such-group' on this system"),
        (["--limits", "files=64"], "files"),
        (["--nice", "20"], "20"),
        (["--umask", "999"], "999"),
        (["--directory", "no-such-directory"], "no such directory"),
    ],
)
def test_what_there_is_not(new_service: NewService, args: list[str], says: str) -> None:
    """Bad settings are refused with 2 and with words; nobody works."""
    service = new_service({"shop.py": TELLS})
    service.start("shop:Orders", *args, wait_until="")
    assert service.wait() == 2
    service.wait_for(says)
    assert "sees" not in service.log
