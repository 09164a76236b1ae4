"""The workers of a chaos round, as source texts: what is deployed, good and broken.

Every worker keeps book in a ledger, one O_APPEND line a fact, so the order of the lines is
the order of the facts. Chance in a worker comes from the round's seed and its own name. What
is done to the service, and what the ledger must show, is not known here.
"""

from __future__ import annotations

import textwrap

MODULE = """
import asyncio, os, random, signal, subprocess, sys, time
from naruto import WorkerProcess

VERSION = {version}
LEDGER = {ledger!r}
CHILD = 'echo "child $0 $$ 0 {version} 0" >> "$1"; exec sleep 1000'


class Book:
    interval = "10ms"
    max_interval = "80ms"

    def open_book(self):
        self.who = os.path.basename(self.pipe).removesuffix(".pipe")
        self.chance = random.Random({seed!r} + self.who)
        self.ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.loop = 0
        if self.chance.random() < {bearing}:
            self.bear(self.chance.choice(["plain", "setsid", "exec", "fork"]))

    def note(self, what):
        numbers = (os.getpid(), self.loop, VERSION, time.monotonic_ns())
        os.write(self.ledger, " ".join(map(str, (what, self.who, *numbers))).encode() + b"\\n")

    def bear(self, kind):
        command = ["/bin/sh", "-c", CHILD, self.who, LEDGER]
        if kind in ("plain", "setsid"):
            where = self.chance.choice([None, subprocess.DEVNULL])
            subprocess.Popen(command, stdout=where, start_new_session=kind == "setsid")
            return
        first = os.fork()
        if first:
            os.waitpid(first, 0)
            return
        try:
            os.setsid()
            if os.fork() == 0:
                if kind == "exec":
                    os.execv(command[0], command)
                self.note("child")
                signal.pause()
        finally:
            os._exit(0)

    def begin(self):
        self.loop += 1
        self.working_on = f"order {{self.loop}}"
        self.note("begin")
        {first_loop}

    def how_long(self):
        if self.chance.random() < {slow}:
            return self.chance.uniform(0.1, {longest})
        return self.chance.choice([0, 0.002, 0.02]) * self.chance.random()

    def end(self):
        self.note("end")
        return self.chance.choice([True, None, None, False, False])


class Orders(Book, WorkerProcess):
    def on_start(self):
        self.open_book()
        {on_start}
        self.note("start")

    def business(self):
        self.begin()
        self.work(self.how_long(), self.chance.choice(["sleep", "spin", "look"]))
        return self.end()

    def work(self, seconds, how):
        until = time.monotonic() + seconds
        if how == "sleep":
            time.sleep(seconds)
        elif how == "look" and not self.sleep(seconds):
            return
        while how != "sleep" and time.monotonic() < until:
            if how == "look" and self.exit_flag and self.time_left() == 0:
                return
            sum(range(500))

    def on_stop(self, reason):
        self.note("stop")


class AsyncOrders(Book, WorkerProcess):
    async def on_start(self):
        self.open_book()
        {on_start}
        await asyncio.sleep(0)
        self.note("start")

    async def business(self):
        self.begin()
        await asyncio.sleep(self.how_long())
        return self.end()

    async def on_stop(self, reason):
        self.note("stop")
"""

CLASSES = ("Orders", "AsyncOrders")

FAULTS: dict[str, dict[str, str]] = {
    "syntax": {"MODULE": "def broken(:\n"},
    "import": {"MODULE": "import there_is_no_such_module\n"},
    "missing": {"MODULE": "from naruto import WorkerProcess\n"},
    "start raises": {"on_start": "raise RuntimeError('on_start is broken')"},
    "start exits": {"on_start": "sys.exit(3)"},
    "start dies": {"on_start": "os._exit(4)"},
    "first loop raises": {"first_loop": "self.note('fail'); raise RuntimeError('a bad loop')"},
    "first loop exits": {"first_loop": "self.note('fail'); sys.exit(5)"},
}
"""What a release may be broken in, and the line that breaks it."""

SEEN_BY_A_PROBE = ("syntax", "import", "missing")
"""Faults that a check of the program finds, which loads the code and runs none of it."""

FAILS_A_START = (*SEEN_BY_A_PROBE, "start raises", "start exits", "start dies")
"""Faults with which no worker is ever READY."""


def source(
    version: int,
    ledger: str,
    seed: str,
    slow: tuple[float, float],
    bearing: float,
    fault: str = "",
) -> str:
    """Return the text of shop.py in one release.

    Args:
        version: What the workers write into the ledger.
        ledger: Its path.
        seed: Where the workers' chance comes from.
        slow: The share of loops that take longer, and the seconds of the longest.
        bearing: The share of workers that start a child which outlives them.
        fault: What it is broken in, one of FAULTS, or nothing.
    """
    lines = FAULTS.get(fault, {})
    if "MODULE" in lines:
        return lines["MODULE"]
    return textwrap.dedent(MODULE).format(
        version=version,
        ledger=ledger,
        seed=seed,
        slow=slow[0],
        longest=slow[1],
        bearing=bearing,
        on_start=lines.get("on_start", "pass"),
        first_loop=lines.get("first_loop", "pass"),
    )
