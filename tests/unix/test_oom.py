"""A kill by the OOM killer is told from any other, once, and only with evidence."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naruto.unix.oom import OomWatch
from tests.service import eventually
from tests.unix.forked import ROOT, end

KILLED = "Killed process {} (python) total-vm:105956kB, anon-rss:8612kB, UID:0 pgtables:1kB"
SAID = (
    "the OOM killer of the kernel "
    "(kmsg: {}Killed process {} (python) total-vm:105956kB, anon-rss:8612kB)"
)


class Machine:
    """The files of a kernel."""

    def __init__(self, home: Path) -> None:
        self.proc, self.cgroups, self.log = home / "proc", home / "cgroup", home / "kmsg"
        self.pipe: tuple[int, ...] = ()
        (self.proc / "ns").mkdir(parents=True)
        self.cgroups.mkdir()
        (self.proc / "ns" / "pid").symlink_to("pid:[4026531836]")
        self.in_cgroup("/")

    def in_cgroup(self, path: str) -> None:
        (self.proc / "cgroup").write_text(f"4:memory:/other\n1:name=systemd:/\n0::{path}\n")

    def count(self, kills: int, where: str = "memory.events") -> None:
        path = self.cgroups / where
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = f"low 7\noom 9\noom_kill {kills}\noom_group_kill 5\n"
        path.write_text(lines)

    def make_log(self) -> Callable[[str], None]:
        """Return what writes into the log: a pipe whose every write is one read."""
        self.pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC | os.O_DIRECT)
        self.log.symlink_to(f"/proc/{os.getpid()}/fd/{self.pipe[0]}")
        return lambda record: (os.write(self.pipe[1], record.encode()), None)[1]

    def close(self) -> None:
        for fd in self.pipe:
            os.close(fd)

    def open(self) -> OomWatch:
        return OomWatch.open(str(self.proc), str(self.cgroups), str(self.log))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A kernel that says nothing yet."""
    made = Machine(tmp_path)
    yield made
    made.close()


@contextlib.contextmanager
def _watch(machine: Machine) -> Iterator[OomWatch]:
    watch = machine.open()
    yield watch
    watch.close()


def _counted(before: int, after: int) -> str:
    return (
        f"the OOM killer of the kernel (memory.events: oom_kill went from {before} to {after})"
    )


def test_no_witness(machine: Machine) -> None:
    """Where the kernel tells nothing there's no evidence, and no error."""
    with _watch(machine) as watch:
        assert watch.evidence(1) == ""
        assert watch.descriptors == ()
    nowhere = OomWatch.open("/nonexistent", "/nonexistent", "/nonexistent")
    assert nowhere.evidence(1) == ""


def test_the_counter_counts_once_each(machine: Machine) -> None:
    """Kills of the past do not count; two kills are evidence for two deaths, and no more."""
    machine.count(3)
    with _watch(machine) as watch:
        assert watch.evidence(1) == ""
        machine.count(4)
        assert [watch.evidence(1), watch.evidence(1)] == [_counted(3, 4), ""]
        machine.count(6)
        told = [watch.evidence(pid) for pid in (1, 2, 3)]
        assert told == [_counted(4, 6), _counted(5, 6), ""]


@pytest.mark.parametrize(
    ("cgroup", "where"),
    [
        ("/", "memory.events"),
        ("/a.slice/b.service", "a.slice/b.service/memory.events"),
        ("/a.slice", "unified/a.slice/memory.events"),
        ("/the/machines/path", "memory.events"),
        ("/the/machines/path", "unified/memory.events"),
        ("/../beside", "memory.events"),
        ("/with 0::/in it", "with 0::/in it/memory.events"),
    ],
)
def test_the_cgroup_is_found(machine: Machine, cgroup: str, where: str) -> None:
    """By its path, beside version 1, and in a container that sees a part of the tree alone."""
    machine.in_cgroup(cgroup)
    machine.count(0, where)
    with _watch(machine) as watch:
        machine.count(1, where)
        assert watch.evidence(1) == _counted(0, 1)


def test_other_cgroups_do_not_count(machine: Machine) -> None:
    """What was killed in a cgroup above or below is not ours."""
    machine.in_cgroup("/a")
    for where in ("memory.events", "a/memory.events", "a/memory.events.local"):
        machine.count(0, where)
    with _watch(machine) as watch:
        machine.count(1, "memory.events")
        machine.count(1, "a/memory.events")
        assert watch.evidence(1) == ""
        machine.count(1, "a/memory.events.local")
        assert watch.evidence(1) == _counted(0, 1)


@pytest.mark.parametrize("text", ["", "oom 1\n", "oom_kill many\n", "\xff"])
def test_a_counter_that_makes_no_sense(machine: Machine, text: str) -> None:
    """It's no evidence."""
    machine.count(3)
    with _watch(machine) as watch:
        (machine.cgroups / "memory.events").write_text(text)
        assert watch.evidence(1) == ""


def test_only_version_1(machine: Machine) -> None:
    """Without a cgroup of version 2 nothing is guessed."""
    machine.count(0)
    (machine.proc / "cgroup").write_text("4:memory:/\n")
    with _watch(machine) as watch:
        assert watch.counter is None


@pytest.mark.parametrize("how", ["", "Out of memory: ", "Memory cgroup out of memory: "])
def test_the_log_names_the_victim(machine: Machine, how: str) -> None:
    """It is evidence for that process alone, once, whenever one asks."""
    write = machine.make_log()
    with _watch(machine) as watch:
        write("6,1,1,-;something else\n SUBSYSTEM=x\n")
        write(f"3,2,2,-;{how}{KILLED.format(41)}\n")
        write(f"3,3,3,-;{how}{KILLED.format(42)}\n")
        assert watch.evidence(43) == ""
        assert watch.evidence(4) == ""
        told = [watch.evidence(pid) for pid in (41, 42, 41)]
        assert told == [SAID.format(how, 41), SAID.format(how, 42), ""]


@pytest.mark.parametrize(
    "record",
    [
        "12,2,2,-;Out of memory: " + KILLED.format(42),
        "4,2,2,-;myprogram: Out of memory: " + KILLED.format(42),
        "4,2,2,-;segfault at 0\n NAME=Killed process 42 (x)",
        "Killed process 42 (python)",
        ";Killed process 42 (python)",
        "4,2,2,-;Killed process forty (python)",
        "",
    ],
)
def test_a_forged_record_is_none(machine: Machine, record: str) -> None:
    """What a process has written into the log is no word of the kernel's."""
    write = machine.make_log()
    with _watch(machine) as watch:
        write(record)
        assert watch.evidence(42) == ""


def test_both_witnesses_of_one_kill(machine: Machine) -> None:
    """A kill that both tell of is one: the next death is no kill of theirs."""
    write = machine.make_log()
    machine.count(0)
    with _watch(machine) as watch:
        write(f"3,2,2,-;{KILLED.format(42)}")
        machine.count(1)
        assert [watch.evidence(42), watch.evidence(43)] == [SAID.format("", 42), ""]


def test_pids_of_another_namespace_are_not_in_the_log(machine: Machine) -> None:
    """In a container the log has the machine's pids: 42 there is another process."""
    machine.make_log()
    (machine.proc / "ns" / "pid").unlink()
    (machine.proc / "ns" / "pid").symlink_to("pid:[4026532201]")
    with _watch(machine) as watch:
        assert watch.log is None


def test_many_victims_of_others_are_forgotten(machine: Machine) -> None:
    """A machine that kills and kills does not fill our memory."""
    write = machine.make_log()
    with _watch(machine) as watch:
        for pid in range(1, 101):
            write(f"3,2,2,-;{KILLED.format(pid)}")
            if pid % 10 == 0:  # a pipe in packets has room for few
                assert watch.evidence(0) == ""
        assert watch.evidence(1) == ""
        assert watch.evidence(100) == SAID.format("", 100)


def test_descriptors_and_the_end(machine: Machine) -> None:
    """They are closed by exec and by close; a closed watch has no evidence."""
    machine.make_log()
    machine.count(3)
    watch = machine.open()
    assert len(watch.descriptors) == 2
    assert not any(os.get_inheritable(fd) for fd in watch.descriptors)
    fds = watch.descriptors
    watch.close()
    watch.close()
    assert watch.evidence(1) == ""
    for fd in fds:
        with pytest.raises(OSError):
            os.fstat(fd)


def test_a_log_that_fails(machine: Machine) -> None:
    """Whatever the descriptor does, asking raises nothing."""
    machine.log.mkdir()
    with _watch(machine) as watch:
        assert watch.log is not None
        assert watch.evidence(1) == ""


def _small_cgroup() -> Path | None:
    """Make a cgroup with room for 24 MiB; None where that's not possible."""
    for home, limit in (
        ("/sys/fs/cgroup", "memory.max"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ):
        path = Path(home, f"naruto-test-{os.getpid()}")
        if not Path(home, "cgroup.procs").exists():
            continue  # nothing is mounted here, or other things are
        try:
            path.mkdir()
            (path / limit).write_text(str(24 << 20))
        except OSError:
            with contextlib.suppress(OSError):
                path.rmdir()
        else:
            return path
    return None


@pytest.mark.skipif(not ROOT, reason="only root can make a cgroup and read the log")
def test_the_real_killer() -> None:
    """A child that takes more than its cgroup has is killed, and the kernel's log says so."""
    watch = OomWatch.open()
    cgroup = _small_cgroup()
    if cgroup is None or watch.log is None:
        watch.close()
        pytest.skip("no memory cgroup can be made here, or no log can be read")
    assert stat.S_ISCHR(os.fstat(watch.log).st_mode)
    pid = os.fork()
    if pid == 0:
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))
        with mmap.mmap(-1, 64 << 20) as memory:
            for page in range(0, len(memory), mmap.PAGESIZE):
                memory[page] = 1
        os._exit(0)
    try:
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        eventually(lambda: _told(watch, pid))  # the log is written after the signal is sent
        assert watch.evidence(pid) == ""
    finally:
        end(pid)
        watch.close()
        eventually(lambda: _removed(cgroup))


def _told(watch: OomWatch, pid: int) -> None:
    assert f"Killed process {pid} (" in watch.evidence(pid)


def _removed(cgroup: Path) -> None:
    """A cgroup whose last process has just been reaped may still be busy."""
    try:
        cgroup.rmdir()
    except OSError as error:
        raise AssertionError from error
