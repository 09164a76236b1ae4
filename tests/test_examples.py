"""The examples, each run for real, as their docstrings tell a reader to."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import NewService
from tests.service import Service, eventually

EXAMPLES = Path(__file__).parent.parent / "examples"
ORDERS = 300
"""How many orders a test works off; the README's reader makes 2,000."""
RELOADS = 4


@pytest.fixture
def example(new_service: NewService) -> Callable[..., Service]:
    """Return a maker of services whose home is a copy of an example."""

    def make(name: str = "") -> Service:
        service = new_service(name=name or "examples")
        shutil.copytree(EXAMPLES / name, service.home, dirs_exist_ok=True)
        return service

    return make


class Shop:
    """The orders example: its database, its program, and its service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        assert self.program("fill", str(ORDERS)).returncode == 0
        self.db = sqlite3.connect(service.home / "orders.db", timeout=10, isolation_level=None)

    def program(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "orders.py", *args],
            cwd=self.service.home,
            env=self.service.environ,
            capture_output=True,
            text=True,
        )

    def count(self, state: str) -> int:
        """How many orders are in a state."""
        rows = self.db.execute("SELECT COUNT(*) FROM orders WHERE state = ?", (state,))
        number: int = rows.fetchone()[0]
        return number

    def more(self, orders: int) -> None:
        """Let customers order."""
        rows = [(1,)] * orders
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.executemany("INSERT INTO orders (amount) VALUES (?)", rows)

    def begin(self, order: int) -> None:
        """Leave an order as a power failure would: paid and not shipped."""
        self.db.execute("UPDATE orders SET state = 'paid' WHERE id = ?", (order,))
        self.db.execute("INSERT INTO payments VALUES (?, 'power failure')", (order,))

    def check(self) -> list[str]:
        """Return what the example's own check says, which must be happy."""
        done = self.program("check")
        assert done.returncode == 0, done.stdout
        return done.stdout.splitlines()


@pytest.fixture
def shop(example: Callable[..., Service]) -> Iterator[Shop]:
    made = Shop(example("orders"))
    yield made
    made.db.close()


def test_orders_survive_one_reload_after_another(shop: Shop) -> None:
    """Reloads while there are orders to work off: all done at the end, none half, none twice.

    One order was half done before: it is shipped, and not paid once more.
    """
    shop.begin(order=ORDERS // 2)
    shop.service.start()
    orders = ORDERS
    for _ in range(RELOADS):
        if shop.count("new") < ORDERS // 3:
            shop.more(ORDERS // 3)
            orders += ORDERS // 3
        done = shop.service.command("reload")
        assert done.returncode == 0, done.stderr
    eventually(lambda: assert_none_is_left(shop, orders))
    assert shop.service.command("quit").returncode == 0
    assert shop.service.wait() == 0
    assert shop.check()[0] == f"{orders} orders shipped, 0 not begun"
    assert shop.db.execute("SELECT COUNT(*) FROM payments").fetchone()[0] == orders


@pytest.mark.parametrize("verb", ["quit", "stop"])
def test_orders_are_done_or_not_begun_after_an_end(shop: Shop, verb: str) -> None:
    """A quit and a stop in the midst of it leave every order shipped or untouched."""
    shop.service.start(ORDERS_DELAY="0.05")
    eventually(lambda: assert_some_are_shipped(shop))
    assert shop.service.command(verb).returncode == 0
    assert shop.service.wait() == 0
    shipped, new = shop.count("shipped"), shop.count("new")
    assert new > 0  # or it came too late to prove anything
    assert shop.check()[0] == f"{shipped} orders shipped, {new} not begun"
    assert shipped + new == ORDERS


def test_check_finds_half_done_orders_and_double_payments(shop: Shop) -> None:
    """The example's check sees what must never happen, and exits 1 for each of both."""
    shop.begin(order=3)
    done = shop.program("check")
    assert done.returncode == 1 and "1 paid and not shipped: 3" in done.stdout
    shop.begin(order=3)
    shop.db.execute("UPDATE orders SET state = 'shipped' WHERE id = 3")
    done = shop.program("check")
    assert done.returncode == 1 and "1 paid twice: 3" in done.stdout


def test_a_stop_now_leaves_what_check_finds_and_the_next_start_ends(shop: Shop) -> None:
    """Loops killed between the two commits show, by name; the next start ships the orders.

    So the example can fail, and resumes.
    """
    for order in range(1, 6):  # one for each worker, so that all are in ship() at once
        shop.begin(order)
    shop.service.start(ORDERS_DELAY="30")
    eventually(lambda: assert_all_work(shop))
    assert shop.service.command("stop", "--now").returncode == 1
    assert shop.service.wait() == 1
    shop.service.wait_for(r"killed \(stop --now\) in a loop for .* s, working on order 3")
    assert shop.program("check").returncode == 1
    shop.service.start(ORDERS_DELAY="0")
    eventually(lambda: assert_none_is_left(shop, ORDERS))
    assert shop.service.command("stop").returncode == 0
    shop.check()


def assert_some_are_shipped(shop: Shop) -> None:
    assert shop.count("shipped") >= 10


def assert_none_is_left(shop: Shop, orders: int) -> None:
    assert shop.count("shipped") == orders


def assert_all_work(shop: Shop) -> None:
    assert all(worker["working_on"] for worker in shop.service.workers())


def test_a_plain_function_is_called_again_and_again(example: Callable[..., Service]) -> None:
    """callable.py: every letter in the inbox is taken once."""
    service = example()
    for number in range(3):
        service.write(f"inbox/{number}.txt", "two words")
    service.start("callable:sweep")
    service.wait_for(r"\d\.txt: 2 words", count=3)
    assert service.command("stop").returncode == 0
    assert sorted(os.listdir(service.home / "done")) == ["0.txt", "1.txt", "2.txt"]


def test_an_async_worker_runs_tasks_between_its_loops(
    example: Callable[..., Service],
) -> None:
    """async_worker.py: the background task goes on while the worker rests."""
    service = example()
    service.start("async_worker:Prices")
    service.wait_for("cheapest: ", count=2)
    assert service.command("quit").returncode == 0
    goodbye = service.wait_for("heart beats, leaving because of quit")
    beats = int(goodbye.split(" heart beats")[0].split()[-1])
    assert beats > 2 * 3  # a loop alone, 20 ms, has time for two or three


def test_groups_are_reloaded_by_name(example: Callable[..., Service]) -> None:
    """groups/: both groups run as the file says, and a reload of one leaves the other."""
    service = example("groups").start()
    letters, parcels = pids(service)
    assert len(letters) == 3 and len(parcels) == 1
    done = service.command("reload", "letters")
    assert done.returncode == 0, done.stderr
    new_letters, same_parcels = pids(service)
    assert len(new_letters) == 3 and not letters & new_letters
    assert parcels == same_parcels
    assert service.command("stop").returncode == 0


def pids(service: Service) -> list[set[int]]:
    return [{worker["pid"] for worker in g["workers"]} for g in service.status()["groups"]]


def test_a_program_goes_on_after_its_service(example: Callable[..., Service]) -> None:
    """embedded.py: the service is found by its name, stops, and the program ends well."""
    service = example()
    environ = {"NARUTO_RUN_DIR": str(service.run_dir)}
    service.run([sys.executable, "embedded.py"], r"default-1\[\d+\] tick 1", **environ)
    assert service.command("stop").returncode == 0
    assert service.wait() == 0
    assert "the service has ended with 0, and the program goes on" in service.log
