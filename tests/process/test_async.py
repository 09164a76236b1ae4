"""An async worker: one event loop for its life, in which it also rests."""

from __future__ import annotations

from tests.conftest import NewService
from tests.process.stage import ask, program

ASYNC = """
interval = "{}"
max_interval = "1h"

async def on_start(self):
    self.beats = 0
    self.task = asyncio.create_task(self.beat())
    print("started")

async def beat(self):
    try:
        while True:
            await asyncio.sleep(0.01)
            self.beats += 1
            if self.beats == 5:
                print("five beats")
    except asyncio.CancelledError:
        print("task cancelled")
        raise

async def business(self):
    {}

async def on_stop(self, reason):
    print("on_stop", reason, "cancelled" if self.task.done() else "task alive")
    await asyncio.sleep(0.01)
    print("on_stop over")
"""


def test_async_rests_in_its_event_loop(new_service: NewService) -> None:
    """A task lives between loops; a message ends the rest; nothing is cancelled too early."""
    service = new_service(program(ASYNC.format("1h", "print('loop at', self.beats)"))).start(
        "shop:Orders"
    )
    service.wait_for("loop at 0")
    service.wait_for("five beats")
    assert service.log.count("loop at") == 1
    assert ask(service, "reload")["status"] == 0
    service.wait_for("on_stop reload task alive")
    service.wait_for("on_stop over")
    service.wait_for("task cancelled")
    order = [
        line.split("] ")[1].strip()
        for line in service.lines
        if "] on_stop" in line or "cancelled" in line
    ]
    assert order == ["on_stop reload task alive", "on_stop over", "task cancelled"]


def test_async_sleep_and_true(new_service: NewService) -> None:
    """A sleep that is awaited ends early when told; loops that return True starve no task."""
    then = """
    if self.beats < 5:
        return True
    print("sleeps")
    print("slept", await self.sleep(3600))
"""
    body = ASYNC.format("1h", then.strip())
    service = new_service(program(body)).start("shop:Orders")
    service.wait_for("five beats")
    service.wait_for("sleeps")
    ask(service, "stop")
    service.wait_for("slept True")
    service.wait_for("on_stop stop task alive")
    assert service.wait() == 0


def test_async_errors_and_wake_on(new_service: NewService) -> None:
    """An async worker has the same errors, the same wake_on and the same calls."""
    body = """
interval = "1h"
max_interval = "1h"

def wake_on(self):
    return self.ours

async def on_start(self):
    self.ours, self.theirs = socket.socketpair()
    asyncio.get_running_loop().call_later(0.05, self.theirs.send, b"x")

async def business(self):
    if self.ours.recv(1, socket.MSG_DONTWAIT):
        raise OSError("woken")

async def on_error(self, error):
    print("on_error", repr(error))
    if "woken" in str(error):
        raise error
"""
    service = new_service(program(body)).start("shop:Orders")
    service.wait_for("on_error BlockingIOError")
    service.wait_for(r"on_error OSError\('woken'\)")
    service.wait_for("on_error raised: leaving")
    service.wait_for("ended with exit status 1")
