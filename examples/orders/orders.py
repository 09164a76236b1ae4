"""Orders in an SQLite database, each paid and then shipped, in two separate commits.

python orders.py fill [N]    make N orders (2000)
python orders.py check       find orders paid and not shipped, and orders paid twice
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time

from naruto import WorkerProcess

DATABASE = os.environ.get("ORDERS_DB", "orders.db")
DELAY = float(os.environ.get("ORDERS_DELAY", "0.005"))
"""Seconds that the bank takes, and the parcel service again."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'new'
);
CREATE TABLE IF NOT EXISTS payments (order_id INTEGER NOT NULL, worker TEXT NOT NULL);
"""

NEXT = """
SELECT id, state FROM orders WHERE state != 'shipped' AND id % :workers = :index
ORDER BY state = 'new', id LIMIT 1
"""
"""The worker's own share; what a power failure has left half done comes first."""

HALF_DONE = "SELECT id FROM orders WHERE state = 'paid' ORDER BY id"
PAID_TWICE = "SELECT order_id FROM payments GROUP BY order_id HAVING COUNT(*) > 1"


def connect() -> sqlite3.Connection:
    """Open the database, for several processes at once."""
    db = sqlite3.connect(DATABASE, isolation_level=None)
    db.execute("PRAGMA busy_timeout = 10000")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    return db


class Orders(WorkerProcess):
    """Takes one order a loop from new to shipped.

    It locks nothing and asks nobody: no other worker has its index at the same time, over
    reloads neither. If that ever failed, two would pay the same order, and check would
    show it.
    """

    def on_start(self) -> None:
        self.db = connect()

    def business(self) -> bool:
        share = {"workers": self.workers, "index": self.index}
        row = self.db.execute(NEXT, share).fetchone()
        if row is None:
            return False  # nothing found: rest, a little longer each time
        order, state = row
        self.working_on = f"order {order}"
        if state == "new":
            self.pay(order)
        self.ship(order)
        return True  # there may be more: go round at once

    def on_stop(self, reason: str) -> None:
        self.db.close()

    def pay(self, order: int) -> None:
        """Take the money: the first commit."""
        time.sleep(DELAY)
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            worker = f"{self.index} (pid {self.pid})"
            self.db.execute("INSERT INTO payments VALUES (?, ?)", (order, worker))
            self.db.execute("UPDATE orders SET state = 'paid' WHERE id = ?", (order,))

    def ship(self, order: int) -> None:
        """Send the goods: the second commit."""
        time.sleep(DELAY)
        self.db.execute("UPDATE orders SET state = 'shipped' WHERE id = ?", (order,))


def fill(number: int) -> int:
    """Make orders."""
    db = connect()
    db.executescript(SCHEMA)
    with db:
        db.execute("BEGIN IMMEDIATE")
        rows = ((5 + i % 95,) for i in range(number))
        db.executemany("INSERT INTO orders (amount) VALUES (?)", rows)
    print(f"{number} orders are new")
    return 0


def check() -> int:
    """Report what went wrong; 1 if anything did."""
    db = connect()
    states = dict(db.execute("SELECT state, COUNT(*) FROM orders GROUP BY state"))
    half = [order for (order,) in db.execute(HALF_DONE)]
    twice = [order for (order,) in db.execute(PAID_TWICE)]
    print(f"{states.get('shipped', 0)} orders shipped, {states.get('new', 0)} not begun")
    print(f"{len(half)} paid and not shipped{listed(half)}")
    print(f"{len(twice)} paid twice{listed(twice)}")
    return 1 if half or twice else 0


def listed(orders: list[int]) -> str:
    """Name the first few."""
    shown = ", ".join(str(order) for order in orders[:10])
    return f": {shown}{', …' if len(orders) > 10 else ''}" if orders else ""


def main(command: str = "", number: str = "2000") -> int:
    """Obey the command line."""
    if command == "fill":
        return fill(int(number))
    if command == "check":
        return check()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
