"""Errors of the user's code: told, slowed down, replaced, and never the master's end."""

from __future__ import annotations

from tests.conftest import NewService
from tests.process.stage import ask, crew, pids, program, shown

ERRORS = """
interval = "10ms"
{}

def business(self):
    self.working_on = "order 7"
    raise OSError("no such table")

def on_error(self, error):
    print("on_error", repr(error))
    {}

def on_stop(self, reason):
    print("on_stop", reason)
"""


def test_errors_are_logged_and_the_worker_replaced(new_service: NewService) -> None:
    """Each traceback is logged, on_error is called; after max_errors a clean worker starts."""
    service = new_service(program(ERRORS.format("max_errors = 2", "")))
    service.start("shop:Orders")
    [first] = pids(service)
    service.wait_for(rf"default-0\[{first}\] business\(\) raised on order 7")
    service.wait_for(rf"default-0\[{first}\] OSError: no such table")
    service.wait_for(r"on_error OSError\('no such table'\)", count=2)
    service.wait_for(f"{first}.* 2 loops in a row raised")
    service.wait_for("on_stop error")
    service.wait_for(rf"WARNING .*default-0\.\d+ \(pid {first}.*ended with exit status 1")
    service.wait_for("on_error", count=3)
    assert first not in pids(service)
    assert "naruto/work/loop.py" not in service.log  # the traceback is the user's alone
    assert shown(service)["state"] == "running"


def test_the_rest_after_errors_grows(new_service: NewService) -> None:
    """The first failed loop is followed by a rest of 1 s, and a message ends it at once."""
    service = new_service(program(ERRORS.format("", ""))).start("shop:Orders")
    service.wait_for("on_error", count=2)
    [worker] = crew(service)
    assert worker["errors"] == 2
    times = [line[11:23] for line in service.lines if "on_error" in line]
    first, second = (
        sum(float(n) * f for n, f in zip(t.split(":"), (3600, 60, 1), strict=True))
        for t in times
    )
    assert (second - first) % 86400 >= 0.99
    assert ask(service, "stop")["status"] == 0
    service.wait_for("on_stop stop")


def test_on_error_that_raises_means_leave(new_service: NewService) -> None:
    """The worker leaves at once, both tracebacks in the log, and is replaced."""
    service = new_service(program(ERRORS.format("", "raise KeyError('not again')")))
    service.start("shop:Orders")
    service.wait_for("OSError: no such table")
    service.wait_for("on_error raised: leaving")
    service.wait_for("KeyError: 'not again'")
    service.wait_for("on_stop error")
    service.wait_for("ended with exit status 1")
    assert shown(service)["state"] == "running"


def test_sys_exit_ends_the_worker_alone(new_service: NewService) -> None:
    """sys.exit(3) in business() is a worker's end with status 3, after on_stop."""
    body = """
def business(self):
    sys.exit(3)

def on_stop(self, reason):
    print("on_stop", reason)
"""
    service = new_service(program(body)).start("shop:Orders")
    service.wait_for("on_stop error")
    service.wait_for(r"default-0\.\d+ .*ended with exit status 3")
    service.wait_for("default-0 is tried again in 0.")
    assert shown(service)["state"] == "running"
