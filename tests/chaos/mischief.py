"""Mischief: what the world does to a service. Nothing of it may change what it is like at rest.

Each function does one thing to the scene and returns what it has done, in words.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from random import Random

from tests.chaos import asking, oracle
from tests.chaos.scene import Scene
from tests.service import eventually, wait_gone

NOBODY = "nobody is there"

FOUND_WITHOUT_ITS_PIPE = True
"""Whether a new master knows of an old one's worker whose FIFO was deleted. While it doesn't,
both harms at once are avoided: two workers of one index would be at work."""

Mischief = Callable[[Scene, Random], str]


def at_somebody(do: Mischief) -> Mischief:
    """Let a mischief that finds its victim dead already count as done.

    What ``status`` shows may have ended since.
    """

    @functools.wraps(do)
    def tried(scene: Scene, chance: Random) -> str:
        try:
            return do(scene, chance)
        except ProcessLookupError:
            return NOBODY

    return tried


GARBAGE = (
    b"nonsense\n",
    b"\xff\xfe\x00\x80\n",
    b"x" * 5000 + b"\n",
    b'reload {"groups": 7}\n',
    b'ready {"worker": "nobody-0.1"}\n',
    b'looped {"worker": [1]}\n',
    b'held {"worker": "default-0.1", "number": "x"}\n',
    b'status {"reply": "../../etc/passwd"}\n',
    b'reload {"reply": "reply-none.pipe"}\n',
    b'go {"deadline"\n',
    b"\n\n\n",
    b"torn and never ende",
)
"""Lines that nobody may obey; the last has no end."""


@at_somebody
def kill_worker(scene: Scene, chance: Random) -> str:
    """Kill a worker with -9."""
    worker = scene.pick(chance)
    wait = chance.random() < 0.5
    if worker is None:
        return NOBODY
    scene.shoot(worker)
    if wait:
        wait_gone(worker.pid)
    return f"{worker.who} (pid {worker.pid}){' and waited' if wait else ''}"


@at_somebody
def freeze_worker(scene: Scene, chance: Random) -> str:
    """Stop a worker with SIGSTOP; somebody lets it go on later."""
    worker = scene.pick(chance)
    if worker is None:
        return NOBODY
    scene.freeze(worker)
    return f"{worker.who} (pid {worker.pid})"


def thaw(scene: Scene, chance: Random) -> str:
    """Let everybody go on."""
    number = len(scene.frozen)
    scene.thaw()
    return str(number)


def _freeze_looping(scene: Scene) -> None:
    for worker in scene.workers():
        if worker.shown["state"] == "looping":
            try:
                scene.freeze(worker)
            except ProcessLookupError:
                continue  # it has just ended


def _shoot_pipeless(scene: Scene) -> None:
    for worker in scene.workers():
        if worker.who in scene.pipeless:
            try:
                scene.shoot(worker)
            except ProcessLookupError:
                continue  # it has just ended


@at_somebody
def kill_child(scene: Scene, chance: Random) -> str:
    """Kill what a worker has started."""
    child = next(scene.children(), None)
    if child is None:
        return NOBODY
    os.kill(child, chance.choice([signal.SIGKILL, signal.SIGTERM]))
    return f"pid {child}"


@at_somebody
def kill_mould(scene: Scene, chance: Random) -> str:
    """Kill a mould, perhaps with somebody asked for."""
    found = sorted(oracle.moulds(scene.master))
    if not found:
        return NOBODY
    if chance.random() < 0.5:
        scene.service.echo("\nreload\n")
        scene.forget_outcome()
    os.kill(chance.choice(found), signal.SIGKILL)
    return f"pid {found}"


def fill_worker_pipe(scene: Scene, chance: Random) -> str:
    """Write garbage into a worker's pipe until nothing fits in any more."""
    worker = scene.pick(chance)
    garbage = chance.choice([b"x" * 4000 + b"\n", b"y" * 4096, b'hold {"numb\n' * 300])
    if worker is None:
        return NOBODY
    return f"{worker.who}: {_fill(scene, f'{worker.who}.pipe', garbage)} bytes"


def _fill(scene: Scene, pipe: str, garbage: bytes) -> int:
    written = 0
    try:
        fd = os.open(scene.service.pipe(pipe), os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return 0  # its worker has just ended, or the pipe was deleted
    try:
        while written < 1 << 20:  # who reads as fast as we write is not to be outlasted
            written += os.write(fd, garbage)
    except (BlockingIOError, BrokenPipeError):
        pass  # full; or its worker has ended under it
    finally:
        os.close(fd)
    return written


def garbage_to_master(scene: Scene, chance: Random) -> str:
    """Write lines that mean nothing into the master's pipe."""
    lines = [chance.choice(GARBAGE) for _ in range(chance.randint(1, 30))]
    scene.service.echo(b"".join(lines))
    return f"{len(lines)} lines"


def flood_master(scene: Scene, chance: Random) -> str:
    """Write garbage into the master's pipe until nothing fits in any more."""
    return f"{_fill(scene, 'master.pipe', b'z' * 4000 + bytes([10]))} bytes"


def tell_worker_by_hand(scene: Scene, chance: Random) -> str:
    """Write an order to leave into one worker's own pipe."""
    worker = scene.pick(chance)
    verb = chance.choice(["reload", "quit", "stop"])
    if worker is None or scene.frozen:
        return NOBODY
    try:
        scene.service.echo(f"\n{verb}\n", f"{worker.who}.pipe")
    except OSError as error:  # deleted, or its worker has just ended
        return f"{worker.who}: {error}"
    wait_gone(worker.pid)
    return f"{verb} to {worker.who}"


@at_somebody
def term_worker(scene: Scene, chance: Random) -> str:
    """Send a worker one of the signals of a terminal or a wrapper."""
    worker = scene.pick(chance)
    name = chance.choice(["TERM", "INT", "HUP", "USR1", "USR2", "URG"])
    if worker is None:
        return NOBODY
    scene.service.signal(name, worker.pid)
    return f"{name} to {worker.who}"


def delete_worker_pipe(scene: Scene, chance: Random) -> str:
    """Delete a worker's FIFO; its worker gets a successor, whose FIFO is there."""
    worker = scene.pick(chance)
    if worker is None:
        return NOBODY
    scene.service.pipe(f"{worker.who}.pipe").unlink(missing_ok=True)
    scene.pipeless.add(worker.who)
    return worker.who


def look(scene: Scene, chance: Random) -> str:
    """Ask for the status by the command line, whatever goes on."""
    shown = asking.status_by_command(scene.service)
    assert shown["pid"] == scene.master, shown
    return str(shown["state"])


def start_again(scene: Scene, chance: Random) -> str:
    """Start a service that runs: 4, and nothing else happens."""
    daemon = chance.choice([["-d"], []])
    done = scene.service.naruto("start", *daemon, "--run-dir", str(scene.service.run_dir))
    assert done.returncode == 4, f"a second start exits {done.returncode}: {done.stderr}"
    return str(done.returncode)


def kill_master(scene: Scene, chance: Random) -> str:
    """Kill the master with -9 and start anew at once; or a little later.

    Some of those in a loop may stand still meanwhile, so that it lasts beyond the new start.
    """
    late, still = chance.random() < 0.3, chance.random() < 0.6
    if still:
        _freeze_looping(scene)
    if not FOUND_WITHOUT_ITS_PIPE:
        _shoot_pipeless(scene)
    scene.shoot_master()
    if late:
        scene.await_strangers()
    old = len(scene.strangers & scene.service.alive())
    scene.launch()
    scene.await_up()
    scene.thaw()
    return f"{old} of its workers were alive at the new start"


def storm(scene: Scene, chance: Random) -> str:
    """Send the master signals that mean a reload, many at once."""
    for _ in range(chance.randint(2, 40)):
        scene.service.signal(
            chance.choice(["USR1", "HUP", "CHLD", "URG", "WINCH"]), scene.master
        )
    scene.forget_outcome()

    def answers() -> None:
        assert scene.shown()["state"] in ("running", "reloading")

    eventually(answers)
    return "sent"
