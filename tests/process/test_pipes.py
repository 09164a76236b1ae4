"""Named pipes by hand: orders for everybody or for one, and garbage that harms nobody."""

from __future__ import annotations

import os
import random
import stat
import subprocess
from collections.abc import Callable, Iterator

import pytest

from naruto.unix import fifo
from tests.conftest import NewService
from tests.process.stage import GATED, QUICK, Gate, ask, crew, pids, shown
from tests.service import Service

NOISE = random.Random(2).randbytes(5000)

GARBAGE: dict[str, tuple[bytes, str]] = {
    "random bytes": (NOISE + b"\n", "not UTF-8"),
    "NULs": (b"\0" * 300 + b"\n", "does not begin with a verb"),
    "NULs before a verb": (b"\0\0stop\n", "does not begin with a verb"),
    "100 KB without a newline": (b"x" * 100_000, "longer than 4095 bytes"),
    "two verbs in one": (b"reloadstop\n", "unknown verb"),
    "an unknown verb": (b"explode\n", "unknown verb"),
    "no verb": (b'{"a": 1}\n', "does not begin with a verb"),
    "capitals": (b"STOP\n", "does not begin with a verb"),
    "a sentence": (b"stop that please\n", "not JSON after the verb"),
    "no JSON": (b"stop {now}\n", "not JSON after the verb"),
    "JSON, no object": (b"stop [1]\n", "not a JSON object"),
    "deep JSON": (b"stop " + b"[" * 4000 + b"\n", "not JSON after the verb"),
    "half an UTF-8 letter": (b"stop \xc3\n", "not UTF-8"),
    "NaN for a name": (b'reload {"groups": [1]}\n', "groups must be a list of names"),
    "a text for groups": (b'reload {"groups": "default"}\n', "groups must be a list of names"),
    "status without a reply": (b"status\n", "needs a reply pipe"),
    "a reply that is no text": (b'status {"reply": 1}\n', "reply must be a bare name"),
    "a reply with a slash": (b'stop {"reply": "/tmp/reply-1.pipe"}\n', "bare name"),
    "a reply above": (b'stop {"reply": "../reply-1.pipe"}\n', "bare name"),
    "a reply two dots": (b'stop {"reply": ".."}\n', "bare name"),
    "a reply with a NUL": (b'stop {"reply": "reply-\\u0000.pipe"}\n', "bare name"),
    "a reply that is a file": (b'stop {"reply": "reply-file.pipe"}\n', "is no FIFO"),
    "a reply that is a link": (b'stop {"reply": "reply-link.pipe"}\n', "is no FIFO"),
    "a reply to the master": (b'stop {"reply": "master.pipe"}\n', "bare name"),
    "nobody is ready": (b"ready\n", "does not say which worker"),
    "somebody is ready": (b'ready {"worker": "x"}\n', "does not say which worker"),
    "held by text": (b'held {"worker": "a-0.1", "number": "1"}\n', "must be a number"),
}
"""What may stand in the master's pipe, and what the log says to it."""

UNTRUE = [
    b'ready {"worker": "default-0.1"}\n',
    b'ready {"worker": "none-99.1"}\n',
    b'done {"worker": "default-7.1"}\n',
    b'held {"worker": "default-0.1", "number": 3, "longest": 1e308}\n',
    b'looped {"worker": "default-9999.999999999999999999"}\n',
]
"""Reports of workers that aren't there: they change nothing."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return one service that has to survive everything."""
    service = Service(tmp_path_factory.mktemp("home"), {"shop.py": QUICK})
    try:
        yield service.start("shop:Orders", "--workers", "2")
    finally:
        service.close()


def _pipe_of(service: Service, index: int) -> str:
    [pipe] = service.run_dir.glob(f"default-{index}.*.pipe")
    return pipe.name


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_in_the_masters_pipe(service: Service, what: str) -> None:
    """It is logged, skipped up to the next newline, and the service is unharmed."""
    (service.run_dir / "reply-file.pipe").touch()
    if not os.path.islink(service.run_dir / "reply-link.pipe"):
        (service.run_dir / "reply-link.pipe").symlink_to("master.pipe")
    line, says = GARBAGE[what]
    before = pids(service)
    _forget_log(service)
    service.echo(line)
    assert shown(service)["state"] == "running"  # answered after the line was read
    service.echo("\n")
    assert pids(service) == before
    service.wait_for(rf"WARNING .*master\[{service.pid}\] .*in master.pipe skipped: .*{says}")
    assert "ERROR" not in service.log


def _forget_log(service: Service) -> str:
    """Forget, and return, what the tests before have seen: all are about one service."""
    forgotten = service.log
    service.lines.clear()
    return forgotten


@pytest.mark.parametrize("line", UNTRUE)
def test_untrue_reports(service: Service, line: bytes) -> None:
    """What a stranger reports of workers that are not there changes nothing."""
    before = pids(service)
    service.echo(line)
    assert shown(service)["state"] == "running"
    assert pids(service) == before


@pytest.mark.parametrize("what", list(GARBAGE)[:12])
def test_garbage_in_a_workers_pipe(service: Service, what: str) -> None:
    """The worker logs it, skips it, and works on."""
    before = pids(service)
    line = GARBAGE[what][0]
    name = _pipe_of(service, 1)
    _forget_log(service)
    service.echo(line + b"\nnonsense\n", name)
    log = rf"WARNING .*default-1\[\d+\] (?=.*nonsense).*in {name} skipped: unknown verb"
    service.wait_for(log)
    assert pids(service) == before


def test_bytes_are_for_their_owner_alone(service: Service) -> None:
    """FIFOs are 0600 in a directory that is 0700; each worker has one of its own."""
    status = service.run_dir.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, os.geteuid())
    for name in ("master.pipe", _pipe_of(service, 0), _pipe_of(service, 1)):
        mode = service.pipe(name).lstat().st_mode
        assert stat.S_ISFIFO(mode) and stat.S_IMODE(mode) == 0o600
    named = {path.name for path in service.run_dir.glob("default-*.pipe")}
    assert named == {f"default-{w['index']}.{w['serial']}.pipe" for w in crew(service)}


def test_modes_whatever_the_umask(new_service: NewService) -> None:
    """A umask of 0 opens nothing to others, one of 0777 locks nobody out."""
    for umask in (0o000, 0o777):
        service = new_service({"shop.py": QUICK}, name=f"home{umask}")
        before = os.umask(umask)
        try:
            service.start("shop:Orders")
        finally:
            os.umask(before)
        assert stat.S_IMODE(service.run_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(service.pipe().stat().st_mode) == 0o600
        assert stat.S_IMODE((service.run_dir / "master.pid").stat().st_mode) == 0o600
        assert ask(service, "reload")["status"] == 0


def test_echo_reloads_and_stops(new_service: NewService) -> None:
    """A shell's echo into the master's pipe is a command."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders")
    before = pids(service)
    subprocess.run(["sh", "-c", "echo reload > master.pipe"], cwd=service.run_dir, check=True)
    service.wait_for("reload asked for by a line in the master's pipe")
    service.wait_for("reloaded: 1 workers run generation 2")
    assert not before & pids(service)
    subprocess.run(["sh", "-c", "echo stop > master.pipe"], cwd=service.run_dir, check=True)
    assert service.wait() == 0


def test_an_unfinished_line_swallows_nothing(new_service: NewService) -> None:
    """After ``printf reload`` the next message is understood, whoever it is from."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders")
    for unfinished in ("reloa", "stop {", "\0\0", "reload"):
        service.echo(unfinished)
        assert ask(service, "reload")["status"] == 0
    service.echo("hol", _pipe_of(service, 0))
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert r"skipped: unknown verb" in service.log
    assert "stopped 0 of generation" in service.log


@pytest.mark.parametrize("verb", ["reload", "quit", "stop"])
def test_a_line_in_one_workers_pipe(new_service: NewService, verb: str) -> None:
    """It leaves with that reason and is replaced at once; the others notice nothing."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    before = {worker["index"]: worker["pid"] for worker in crew(service)}
    service.echo(f"{verb}\n", _pipe_of(service, 1))
    service.wait_for(f"stopped 1 of generation 1: {verb}")
    service.wait_for("started 1 of generation 1", count=2)
    after = {worker["index"]: worker["pid"] for worker in crew(service)}
    assert after[0] == before[0] and after[1] != before[1]
    assert "tried again" not in service.log


def _fill(service: Service, name: str) -> None:
    fd = os.open(service.pipe(name), os.O_WRONLY | os.O_NONBLOCK)
    try:
        for size in (4096, 1):
            while True:
                try:
                    os.write(fd, b"\n" * size)
                except BlockingIOError:
                    break
    finally:
        os.close(fd)


@pytest.mark.parametrize("stop", [True, False], ids=["stopped", "busy"])
def test_a_full_pipe_loses_nothing(new_service: NewService, stop: bool) -> None:
    """Told while its pipe is full, a worker learns of it when it reads; nobody else waits."""
    service = new_service({"shop.py": GATED})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2")
        service.wait_for("begin", count=2)
        [worker] = [w["pid"] for w in crew(service) if w["index"] == 0]
        if stop:
            service.signal("STOP", worker)
        _fill(service, _pipe_of(service, 0))
        service.echo("reload\n")
        service.wait_for("reload to generation 2 begins")
        service.echo("quit\n")
        service.wait_for("quit asked for")
        assert shown(service)["state"] == "ending (quit)"
        gate.open()
        service.wait_for("stopped 1 of generation 1: quit")
        if stop:
            service.signal("CONT", worker)
        assert service.wait() == 0
    service.wait_for("stopped 0 of generation 1: quit")


def test_a_client_that_never_reads(new_service: NewService) -> None:
    """Its answer waits in vain; others are answered, and the service ends in time."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders")
    path = str(service.pipe("reply-deaf.pipe"))
    fifo.make(path)
    reader = fifo.open_both(path)
    _fill(service, "reply-deaf.pipe")
    for _ in range(3):
        service.echo('status {"reply": "reply-deaf.pipe"}\n')
    assert shown(service)["state"] == "running"
    assert ask(service, "reload")["status"] == 0
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    os.close(reader)
    assert not service.run_dir.exists()


def test_a_client_that_has_gone(service: Service) -> None:
    """A reply pipe that nobody reads is passed over, and removed."""
    path = str(service.pipe("reply-gone.pipe"))
    fifo.make(path)
    service.echo('status {"reply": "reply-gone.pipe"}\n')
    assert shown(service)["state"] == "running"
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("reload\n"),
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to("/nowhere"),
    ],
    ids=["file", "fifo", "link"],
)
def test_stale_files_are_cleared_at_start(
    new_service: NewService, make: Callable[[object], object]
) -> None:
    """What a crashed master, or an echo too late, has left under our names is no hindrance."""
    service = new_service({"shop.py": QUICK})
    service.run_dir.mkdir(mode=0o700)
    names = ("master.pipe", "default-0.7.pipe", "reply-1-1.pipe")
    for name in names:
        make(service.pipe(name))
    (service.run_dir / "master.pid").write_text("1\n")
    (service.run_dir / "notes.txt").write_text("the user's own")
    service.start("shop:Orders")
    assert stat.S_ISFIFO(service.pipe().lstat().st_mode)
    assert not any(os.path.lexists(service.pipe(name)) for name in names[1:])
    assert ask(service, "stop")["status"] == 0
    assert service.wait() == 0
    assert [path.name for path in service.run_dir.iterdir()] == ["notes.txt"]
