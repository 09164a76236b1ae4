"""Bad input is refused in words, with the right status, and nothing is touched."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from tests.cli.shop import IDLE
from tests.conftest import NewService
from tests.service import Service, wait_gone

ROOT = os.geteuid() == 0
RANGE = "a whole number from 1 to 4096 is needed"

SHOP = """
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        def business(self):
            pass

    class Plain:
        pass

    class Unwritten(WorkerProcess):
        pass

    def poll():
        yield 1

    number = 5
"""


@pytest.fixture
def shop(new_service: NewService) -> Service:
    """A directory with good code in it; nothing runs."""
    return new_service({"shop.py": SHOP})


def refused(service: Service, *args: str, status: int = 2) -> str:
    """Try to start; return what is said, and see that nothing has come of it."""
    done = service.naruto("start", *args)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert not service.alive()
    return done.stdout + done.stderr


@pytest.mark.parametrize("workers", ["0", "-1", "many", "1.5", "4097", "100000", ""])
def test_workers(shop: Service, workers: str) -> None:
    """A number of workers outside of the range is refused, saying the range."""
    said = refused(shop, "shop:Orders", "--workers", workers)
    assert RANGE in said and f"--workers {workers}" in said
    assert not shop.run_dir.exists()


@pytest.mark.parametrize(
    "name", ["a b", "a/b", "../a", ".", "ü", "a\nb", "x" * 65, "", "$(reboot)"]
)
def test_name(shop: Service, name: str) -> None:
    """A name that could be more than a name is refused, saying what one is."""
    said = refused(shop, "shop:Orders", "--name", name)
    assert "1 to 64 of the characters A-Z, a-z, 0-9, _ and -" in said


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("--limits", "nofile=12 bogus=1"),
            "--limits nofile=12 bogus=1: unknown limit 'bogus'",
        ),
        (("--environment", "A='x"), "no closing quotation"),
        (("--user", "no-such-one"), "there is no user 'no-such-one' on this system"),
        (("--umask", "999"), "a mask in octal"),
        (
            ("--loop-timeout", "5", "--slow-loop", "5"),
            "not longer than slow_loop (--slow-loop 5)",
        ),
    ],
)
def test_what_a_worker_is_given(shop: Service, args: tuple[str, ...], said: str) -> None:
    """A bad limit, variable, user, mask or time is refused before anything is made."""
    assert said in refused(shop, "shop:Orders", *args)
    assert not shop.run_dir.exists()


def test_a_variable(shop: Service) -> None:
    """A variable is named as it stands in the environment."""
    done = shop.naruto("start", "shop:Orders", NARUTO_MAX_MEMORY="abc")
    assert done.returncode == 2
    assert 'NARUTO_MAX_MEMORY=abc: "abc" is no size' in done.stderr


class TestTarget:
    """A target that is not there, or can't be one."""

    @pytest.mark.parametrize(
        "target",
        ["shop", "shop:", ":Orders", "shop:Orders()", "a b:c", "../shop:Orders", "1:2"],
    )
    def test_does_not_parse(self, shop: Service, target: str) -> None:
        """What does not look like module:name is refused before anything is forked."""
        assert "a module, a colon" in refused(shop, target)

    @pytest.mark.parametrize("daemon", [(), ("-d", "--log-file", "a.log")])
    @pytest.mark.parametrize(
        ("target", "said"),
        [
            ("nowhere:Orders", "no module 'nowhere' in {home}"),
            ("shop.deep:Orders", "no module 'shop.deep' in {home}"),
            ("shop:Order", "no 'Order' in {home}/shop.py; did you mean 'Orders'?"),
            ("shop:Orders.x.y", "no 'x' in {home}/shop.py"),
            ("shop:Plain", "is a class, but no WorkerProcess"),
            ("shop:number", "is 'int', nothing to call"),
            ("shop:Unwritten", "business() is not written"),
            ("shop:poll", "is a generator"),
        ],
    )
    def test_not_what_is_needed(
        self, shop: Service, target: str, said: str, daemon: tuple[str, ...]
    ) -> None:
        """What was looked for, and where, is told; no process and no directory stays."""
        args = target, "--run-dir", str(shop.run_dir), *daemon
        done = shop.naruto("start", *args)
        assert done.returncode in (1, 2)
        assert said.format(home=shop.home) in done.stderr
        assert "Traceback" not in done.stderr
        assert not shop.alive() and not shop.run_dir.exists()

    def test_raises_at_import(self, shop: Service) -> None:
        """The user's own traceback is shown, without frames of naruto's."""
        shop.write("broken.py", "import json\njson.loads('{')\n")
        done = shop.naruto("start", "broken:Orders", "--run-dir", str(shop.run_dir))
        assert done.returncode == 1
        assert f'File "{shop.home}/broken.py", line 2' in done.stderr
        assert "JSONDecodeError" in done.stderr and "naruto/work" not in done.stderr
        assert not shop.alive() and not shop.run_dir.exists()

    def test_imports_what_is_not_there(self, shop: Service) -> None:
        """A missing import of the module's is not mistaken for the missing module."""
        shop.write("broken.py", "import nowhere\n")
        done = shop.naruto("start", "broken:Orders", "--run-dir", str(shop.run_dir))
        assert done.returncode == 1
        assert "broken.py" in done.stderr and "No module named 'nowhere'" in done.stderr


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("workers = = 5", "naruto.toml: line 1"),
        ("target = 'shop:Orders'\nworker = 5", "unknown key 'worker'; did you mean 'workers'?"),
        ("target = 'shop:Orders'\nworkers = 'five'", 'naruto.toml: workers = "five": a whole'),
        ("target = 'shop:Orders'\nstop_timeout = 0", "naruto.toml: stop_timeout = 0: "),
        ("[groups.a]\ntarget = 'shop:Orders'\n[groups.a]", "[groups.a] stands there twice"),
        ("[groups.a]\nworkers = 2", "naruto.toml: groups.a: no target"),
        ("[groups.'a b']\ntarget = 'shop:Orders'", "1 to 64 of the characters"),
    ],
)
@pytest.mark.parametrize("command", ["start", "config", "status"])
def test_settings(shop: Service, toml: str, said: str, command: str) -> None:
    """Every command that reads bad settings says where they are wrong, and what is right."""
    shop.write("naruto.toml", toml)
    done = shop.naruto(command)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not shop.alive()


class TestRunDirectory:
    """A run directory that can't be trusted or used."""

    @pytest.fixture(params=[(), ("-d", "--log-file", "a.log")], ids=["foreground", "daemon"])
    def how(self, request: pytest.FixtureRequest) -> tuple[str, ...]:
        """In the foreground and as a daemon."""
        args: tuple[str, ...] = request.param
        return args

    def _refused(self, shop: Service, how: tuple[str, ...], path: Path | str) -> str:
        return refused(shop, "shop:Orders", *how, "--run-dir", str(path))

    def test_link(self, shop: Service, how: tuple[str, ...], tmp_path: Path) -> None:
        """A symbolic link is not followed."""
        (tmp_path / "real").mkdir(0o700)
        shop.run_dir.symlink_to(tmp_path / "real")
        assert "symbolic link" in self._refused(shop, how, shop.run_dir)
        assert not list((tmp_path / "real").iterdir()) and shop.run_dir.is_symlink()

    def test_file(self, shop: Service, how: tuple[str, ...]) -> None:
        """A file in its place is not overwritten."""
        shop.run_dir.write_text("precious")
        assert "no directory" in self._refused(shop, how, shop.run_dir)
        assert shop.run_dir.read_text() == "precious"

    def test_open_to_others(self, shop: Service, how: tuple[str, ...]) -> None:
        """Others may not be able to enter it."""
        shop.run_dir.mkdir()
        shop.run_dir.chmod(0o755)
        assert "mode 0755" in self._refused(shop, how, shop.run_dir)
        assert not list(shop.run_dir.iterdir())

    @pytest.mark.skipif(not ROOT, reason="only root can give a directory away")
    def test_of_somebody_else(self, shop: Service, how: tuple[str, ...]) -> None:
        """A directory of another user's is refused, and named as such."""
        shop.run_dir.mkdir(0o700)
        os.chown(shop.run_dir, 54321, 54321)
        assert "belongs to uid 54321" in self._refused(shop, how, shop.run_dir)

    def test_read_only(self, shop: Service, how: tuple[str, ...]) -> None:
        """Where nothing can be made, --run-dir is suggested."""
        assert "with --run-dir" in self._refused(shop, how, "/sys/naruto-test")

    def test_too_long(self, shop: Service, how: tuple[str, ...]) -> None:
        """A path too long for the kernel is told from the others."""
        said = self._refused(shop, how, f"{shop.home}/{'x' * 300}")
        assert "File name too long" in said

    def test_deep(self, shop: Service) -> None:
        """A path of which there is only room for the directory itself is no traceback."""
        path = shop.home
        while len(str(path)) < 4080:
            path = path / ("x" * min(200, 4090 - len(str(path))))
        assert "Traceback" not in refused(shop, "shop:Orders", "--run-dir", str(path))

    @pytest.mark.parametrize("name", ["master.pid", "master.pipe", "default-0.7.pipe"])
    def test_link_in_it(self, shop: Service, name: str) -> None:
        """A link in the place of one of our files is never followed."""
        precious = shop.write("precious", "1\n")
        shop.run_dir.mkdir(0o700)
        (shop.run_dir / name).symlink_to(precious)
        done = shop.naruto("start", "shop:nothing", "--run-dir", str(shop.run_dir))
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr
        assert precious.read_text() == "1\n"

    @pytest.mark.parametrize("name", ["master.pid", "master.pipe", "default-0.7.pipe"])
    def test_directory_in_it(self, shop: Service, name: str) -> None:
        """A directory in the place of one of our files is named, and is no traceback."""
        (shop.run_dir / name).mkdir(parents=True)
        shop.run_dir.chmod(0o700)
        said = refused(shop, "shop:Orders", "--run-dir", str(shop.run_dir))
        assert name in said
        assert (shop.run_dir / name).is_dir()


class TestNotRunning:
    """Orders for a service that is not there."""

    VERBS = ("reload", "quit", "stop", "restart", "status")

    @pytest.mark.parametrize("verb", VERBS)
    def test_nothing_there(self, shop: Service, verb: str) -> None:
        """Exit status 3, and nothing is made."""
        done = shop.command(verb)
        assert done.returncode == 3 and "is not running" in done.stderr
        assert not shop.run_dir.exists()

    @pytest.mark.parametrize(
        "text",
        ["999999\n", f"{os.getpid()}\n", "1\n", ""],
        ids=["nobody", "somebody else", "init", "nothing"],
    )
    def test_stale(self, shop: Service, text: str) -> None:
        """A stale pid file, a living stranger's too, is not running; a start clears it."""
        shop.run_dir.mkdir(0o700)
        (shop.run_dir / "master.pid").write_text(text)
        (shop.run_dir / "default-0.12.pipe").write_text("")
        os.mkfifo(shop.run_dir / "reply-1-1.pipe")
        assert shop.command("stop").returncode == 3
        shop.start("shop:Orders")
        assert sorted(p.name.split(".")[-1] for p in shop.run_dir.iterdir()) == [
            "pid",
            "pipe",
            "pipe",
        ]
        assert shop.command("stop").returncode == 0

    def test_after_a_crash(self, shop: Service, new_service: NewService) -> None:
        """A master that was killed is not running, and the next start has all it needs."""
        shop.start("shop:Orders")
        master, workers = shop.pid, shop.pids()
        os.kill(master, 9)
        shop.wait()
        assert shop.command("status").returncode == 3
        for pid in workers:
            wait_gone(pid)
        again = new_service().start("shop:Orders")  # in the same directory
        assert not again.pids() & workers
        assert again.command("stop").returncode == 0


class TestRunning:
    """A service that is there already."""

    @pytest.mark.parametrize("how", [(), ("-d", "--log-file", "a.log")])
    def test_second_start(self, shop: Service, how: tuple[str, ...]) -> None:
        """Exit status 4, naming the pid that runs, which is not disturbed."""
        shop.start("shop:Orders")
        before = shop.pids()
        done = shop.naruto("start", "shop:Orders", *how, "--run-dir", str(shop.run_dir))
        assert done.returncode == 4
        assert f"runs already, as pid {shop.pid}" in done.stderr
        assert shop.pids() == before

    def test_two_of_one_name(self, new_service: NewService) -> None:
        """The name is what counts, not the directory that a service is started from."""
        name = f"naruto-test-{os.getpid()}"
        one, two = new_service({"shop.py": IDLE}, "one"), new_service({"shop.py": IDLE}, "two")
        one.run(_start(name))
        done = two.naruto("start", "shop:poll", "--name", name)
        assert done.returncode == 4 and f"{name} runs already" in done.stderr
        assert two.naruto("stop", "--name", name).returncode == 0
        assert one.wait() == 0


def _start(name: str) -> list[str]:
    return [sys.executable, "-m", "naruto", "start", "shop:poll", "--name", name]


class TestGarbage:
    """What no service can understand is logged, skipped, and harms nothing."""

    GARBAGE = (
        b"\x00\xff\xfe random \x80\n",
        b"\x00" * 5000 + b"\n",
        b"x" * 100_000 + b"\n",
        b"reloadstop\n",
        b"reload {not json}\n",
        b'reload ["a list"]\n',
        b"fly {}\n",
        b"   \n\n\n",
        b'status {"reply": "../reply-1.pipe"}\n',
        b'status {"reply": "/etc/passwd"}\n',
        b'stop {"reply": "reply-file.pipe"}\n',
        b'stop {"reply": "reply-link.pipe"}\n',
        b'stop {"reply": 5}\n',
        b'ready {"worker": "nobody-0.1"}\n',
        b'held {"worker": "default-0.1", "number": "x"}\n',
        b"held\n",
        b'reload {"groups": "all"}\n',
        b"reload " + b"[" * 4000 + b"\n",
    )

    def test_in_the_masters_pipe(self, shop: Service) -> None:
        """All of it: the same workers go on, and the master still answers."""
        shop.start("shop:Orders")
        before = shop.pids()
        (shop.run_dir / "reply-file.pipe").write_text("precious")
        (shop.run_dir / "reply-link.pipe").symlink_to(shop.pipe())
        for garbage in self.GARBAGE:
            shop.echo(garbage)
        shop.echo("unfinished")
        assert shop.pids() == before
        assert (shop.run_dir / "reply-file.pipe").read_text() == "precious"
        fine = 2  # an empty line, and what a worker nobody knows has to say
        shop.wait_for("line in master.pipe skipped", len(self.GARBAGE) - fine)
        assert shop.command("stop").returncode == 0
        assert shop.wait() == 0

    def test_in_a_workers_pipe(self, shop: Service) -> None:
        """The worker skips it, and leaves for a line that it understands."""
        shop.start("shop:Orders")
        [worker] = shop.workers()
        pipe = f"default-0.{worker['serial']}.pipe"
        for garbage in self.GARBAGE[:7]:
            shop.echo(garbage, pipe)
        shop.wait_for(rf"line in {pipe} skipped", 7)
        assert shop.pids() == {worker["pid"]}
        shop.echo("quit\n", pipe)
        shop.wait_for(r"default-0\.\d+")
        wait_gone(worker["pid"])
        assert shop.command("stop").returncode == 0

    def test_a_socket_as_reply(self, shop: Service) -> None:
        """A reply pipe that is something else altogether is not opened."""
        shop.start("shop:Orders")
        with socket.socket(socket.AF_UNIX) as fake:
            here = os.getcwd()
            os.chdir(shop.run_dir)  # a socket's path must be short
            try:
                fake.bind("reply-1.pipe")
            finally:
                os.chdir(here)
            assert stat.S_ISSOCK((shop.run_dir / "reply-1.pipe").stat().st_mode)
            shop.echo('status {"reply": "reply-1.pipe"}\n')
            shop.wait_for("reply-1.pipe is no FIFO")
        assert shop.command("stop").returncode == 0
