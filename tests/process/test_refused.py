"""A reload that is refused: a bad deploy costs nothing, wherever it is bad."""

from __future__ import annotations

import pytest

from tests.conftest import NewService
from tests.process.stage import GATED_START, QUICK, Gate, ask, crew, pids
from tests.service import Service, eventually

BROKEN = {
    "syntax": "def business(:\n",
    "import": "import no_such_module_at_all\n",
    "import of a name": "from os import no_such_name\n",
    "no target": "class Other:\n    pass\n",
    "on_start": QUICK.replace('print(f"started', "raise OSError('no such db') #"),
    "sys.exit in on_start": QUICK.replace('print(f"started', "raise SystemExit(3) #"),
    "first loop": QUICK.replace("pass", "raise OSError('no such table')"),
    "killed": QUICK.replace("pass", "import os; os.kill(os.getpid(), 9)"),
}
"""What may be wrong with a deploy, by where it shows."""

SAYS = {
    "syntax": "SyntaxError",
    "import": "No module named 'no_such_module_at_all'",
    "import of a name": "no_such_name",
    "no target": "no 'Orders' in",
    "on_start": "OSError: no such db",
    "sys.exit in on_start": "sys.exit(3)",
    "first loop": "OSError: no such table",
    "killed": "signal KILL",
}


def _all_loop_on(service: Service, expected: set[int]) -> None:
    """See that exactly these workers are there, and that each goes on looping."""
    before = {worker["pid"]: worker["loops"] for worker in crew(service)}
    assert set(before) == expected

    def further() -> None:
        for worker in crew(service):
            assert worker["loops"] > before[worker["pid"]]

    eventually(further)


@pytest.mark.parametrize("where", BROKEN)
def test_a_broken_deploy_costs_nothing(new_service: NewService, where: str) -> None:
    """The old workers work on, the reload exits 1 and prints why, and the next one is good."""
    service = new_service({"shop.py": QUICK}).start("shop:Orders", "--workers", "2")
    old = pids(service)
    service.write("shop.py", BROKEN[where])
    done = service.command("reload")
    assert done.returncode == 1
    assert SAYS[where] in done.stderr
    assert "of generation 1" not in "".join(line for line in service.lines if "stop" in line)
    _all_loop_on(service, old)
    service.write("shop.py", QUICK)
    assert ask(service, "reload")["status"] == 0
    assert not old & pids(service)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('target = "shop:Orders"\nworkers = 0\n', "workers"),
        ('target = "shop:Orders"\nworker = 2\n', "did you mean 'workers'"),
        ("target = \n", "naruto.toml"),
    ],
)
def test_bad_settings_change_nothing(new_service: NewService, content: str, says: str) -> None:
    """Settings that are bad make the reload exit 2; nobody is even started."""
    service = new_service({"shop.py": QUICK, "naruto.toml": 'target = "shop:Orders"\n'})
    service.start()
    old = pids(service)
    service.write("naruto.toml", content)
    done = service.command("reload")
    assert done.returncode == 2
    assert says in done.stderr
    assert "started 0 of generation 2" not in service.log
    _all_loop_on(service, old)


def test_on_start_that_hangs_is_refused(new_service: NewService) -> None:
    """A new worker that isn't READY within start_timeout is killed, and nothing changes."""
    service = new_service({"shop.py": QUICK})
    args = ("--workers", "2", "--start-timeout", "700ms")
    with Gate(service.home / "gate"):
        service.start("shop:Orders", *args)
        old = pids(service)
        service.write("shop.py", GATED_START.replace(" and self.index > 0", ""))
        done = service.command("reload")
        assert done.returncode == 1
        assert "was not READY within start_timeout (0.7 s)" in done.stderr
        _all_loop_on(service, old)


def test_a_first_loop_that_hangs_is_refused(new_service: NewService) -> None:
    """The canary that hangs is told to leave; its index goes on when it has, others at once."""
    service = new_service({"shop.py": QUICK})
    with Gate(service.home / "gate") as gate:
        service.start("shop:Orders", "--workers", "2", "--canary-timeout", "300ms")
        old = pids(service)
        service.write(
            "shop.py", QUICK.replace("pass", "import os; os.read(os.open('gate', 0), 1)")
        )
        done = service.command("reload")
        assert done.returncode == 1
        assert "is still in its first loop after canary_timeout (0.3 s)" in done.stderr
        still = crew(service)
        gate.open()
        service.wait_for("stopped 0 of generation 2: reload")
    assert {worker["pid"] for worker in still} > old
    assert [worker["told"] for worker in still if worker["pid"] not in old] == ["reload"]

    def back() -> None:
        assert pids(service) == old

    eventually(back)
    _all_loop_on(service, old)
