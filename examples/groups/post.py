"""Two kinds of work in one service, each with its own number of workers.

cd groups; python -m naruto start        (naruto.toml says the rest)
python -m naruto reload letters          replaces the workers of one group only
"""

from naruto import WorkerProcess


class Letters(WorkerProcess):
    """One of three: each has a share of its own."""

    def on_start(self) -> None:
        print(f"{self.group}: share {self.index} of {self.workers}")

    def business(self) -> None:
        self.working_on = f"street {self.index}"


def parcels() -> None:
    """One worker is enough: a plain function will do."""
