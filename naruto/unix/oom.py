"""Evidence that the kernel's OOM killer ended a process, from what the kernel counts and logs.

Two witnesses. ``oom_kill`` of a cgroup's memory.events counts, names nobody, and is raised
before the victim is signalled; the kernel's log (/dev/kmsg) names the pid, but may be
written a moment after the death, and only root may read it. Either may be missing: then
there's never any evidence, and never an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import attrs

_PID_NAMESPACE = "pid:[4026531836]"  # of the machine: PROC_PID_INIT_INO of the kernel
_RECORD = 8192  # the longest record of /dev/kmsg: CONSOLE_EXT_LOG_MAX and its successors
_MOST_VICTIMS = 64
_MOST_RECORDS = 100_000  # in one look: a log that is written faster than read has no end

_VICTIM = re.compile(r"(?:(?:Memory cgroup o|O)ut of memory[^:]*: )?Killed process (\d+) \(")
_COUNT = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)


@attrs.define
class OomWatch:
    """What the kernel has told of the OOM killer, and how much of it has been used.

    Attributes:
        counter: memory.events of the cgroup, or None.
        log: /dev/kmsg, or None.
    """

    counter: int | None
    log: int | None
    _used: int = 0
    _victims: dict[int, str] = attrs.field(factory=dict)

    @classmethod
    def open(
        cls, proc: str = "/proc/self", cgroups: str = "/sys/fs/cgroup", log: str = "/dev/kmsg"
    ) -> OomWatch:
        """Begin to watch, from now on: what was before is no evidence."""
        watch = cls(_open_counter(proc, cgroups), _open_log(proc, log))
        watch._used = watch._count()
        return watch

    def evidence(self, pid: int) -> str:
        """Return how one knows that a process, which was killed, was killed for memory; or "".

        Each kill is evidence for one death. The counter names nobody: a kill of another
        process of the cgroup, a child of a worker's for instance, is taken for the next
        death that is asked about. So ask about deaths by SIGKILL only, and not about those
        that somebody is known to have killed.
        """
        self._read_log()
        count = self._count()
        before, self._used = self._used, min(self._used + 1, count)
        words = self._victims.pop(pid, "")
        if words:
            words = f"kmsg: {words}"
        elif count > before:
            words = f"memory.events: oom_kill went from {before} to {count}"
        return f"the OOM killer of the kernel ({words})" if words else ""

    def _count(self) -> int:
        """Return the counter; what was used already where it can't be read."""
        if self.counter is None:
            return self._used
        try:
            found = _COUNT.search(os.pread(self.counter, 4096, 0))
        except OSError:
            return self._used  # ENODEV: the cgroup was removed under us
        return int(found[1]) if found else self._used

    def _read_log(self) -> None:
        if self.log is None:
            return
        for record in _records(self.log):
            if found := _VICTIM.match(record):
                self._victims[int(found[1])] = record.partition(", UID:")[0]
        for pid in list(self._victims)[:-_MOST_VICTIMS]:
            del self._victims[pid]  # nobody asks about the processes of others

    def close(self) -> None:
        """Close the descriptors; there's no evidence from now on."""
        for fd in self.descriptors:
            os.close(fd)
        self.counter = self.log = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All that is open."""
        return tuple(fd for fd in (self.counter, self.log) if fd is not None)


def _open_counter(proc: str, cgroups: str) -> int | None:
    """Open the memory.events of our cgroup (cgroups(7), cgroup-v2 of the kernel's docs).

    ``.local`` is preferred: it counts the victims in this very cgroup, where a fork of ours
    is. The other one has those of all cgroups below as well, which are not ours.
    """
    path = _cgroup(proc)
    for root in (cgroups, f"{cgroups}/unified"):  # the second: mounted beside version 1
        # In a container the path may be the machine's, of which only a part is mounted.
        for folder in (f"{root}{path}", root) if path is not None else ():
            for name in ("memory.events.local", "memory.events"):
                fd = _open(f"{folder}/{name}")
                if fd is not None:
                    return fd
    return None


def _cgroup(proc: str) -> str | None:
    """Return the path of our cgroup of version 2."""
    try:
        with open(f"{proc}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n") for line in file]
    except OSError:
        return None  # a kernel without cgroups
    return next((line[len("0::") :] for line in lines if line.startswith("0::/")), None)


def _open_log(proc: str, log: str) -> int | None:
    """Open the log at its end, in the machine's pid namespace: the log has no other pids."""
    try:
        if os.readlink(f"{proc}/ns/pid") != _PID_NAMESPACE:
            return None
    except OSError:
        return None  # no way to know whose pids they are
    fd = _open(log)
    if fd is not None:
        try:
            os.lseek(fd, 0, os.SEEK_END)
        except OSError:
            pass  # can't be positioned, so what was before is read as well: a pipe
    return fd


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None  # not there, or not for us


def _records(log: int) -> Iterator[str]:
    """Yield the kernel's own messages since the last time: one read(2) is one record.

    One that a process has written is no evidence: those have a facility, and the kernel's
    messages have none (Documentation/ABI/testing/dev-kmsg).
    """
    for _ in range(_MOST_RECORDS):
        try:
            record = os.read(log, _RECORD)
        except BrokenPipeError:
            continue  # some were overwritten before we read them
        except OSError:
            return  # EAGAIN: all read
        if not record:
            return  # a pipe that nobody writes
        head, _, message = record.partition(b"\n")[0].partition(b";")
        priority = head.partition(b",")[0]
        if priority.isdigit() and int(priority) < 8:
            yield message.decode(errors="replace")
