"""``python -m tests.chaos``: many rounds, unattended; stops at the first violation."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path

from tests.chaos.driver import Result, Violation, play


def main() -> int:
    """Play rounds with one seed after the other; return the exit status."""
    given = _arguments()
    # Rounds end, and clear away; and what a shell's & ignores would stay ignored in them.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    where = Path(given.keep or tempfile.mkdtemp(prefix="naruto-chaos-"))
    began, done = time.monotonic(), 0
    seeds = iter(range(given.seed, given.seed + given.rounds))
    with ThreadPoolExecutor(given.jobs) as pool:
        for future in _finished(pool, seeds, where, given.jobs):
            try:
                result = future.result()
            except Violation as violation:
                print(f"{violation}\nkept: {where}", flush=True)
                return 1
            done += 1
            print(_line(result), *(result.story if given.story else ()), sep="\n  ", flush=True)
    seconds = time.monotonic() - began
    print(f"{done} rounds without a violation in {seconds:.0f} s, seeds from {given.seed}")
    shutil.rmtree(where)
    return 0


def _finished(
    pool: ThreadPoolExecutor, seeds: Iterator[int], where: Path, jobs: int
) -> Iterator[Future[Result]]:
    """Yield each round when it is over; no more are begun than there are jobs."""

    def begin(count: int) -> set[Future[Result]]:
        return {pool.submit(_round, seed, where) for seed in islice(seeds, count)}

    running = begin(jobs)
    while running:
        over, running = wait(running, return_when=FIRST_COMPLETED)
        yield from over
        running |= begin(len(over))


def _round(seed: int, where: Path) -> Result:
    home = where / str(seed)
    home.mkdir(parents=True)
    result = play(seed, home)
    shutil.rmtree(home)  # of a round that has failed it stays
    return result


def _line(result: Result) -> str:
    return (
        f"seed {result.seed}: {result.actions} actions in {result.seconds:.1f} s,"
        f" status within {result.slowest * 1000:.0f} ms"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many  [100]")
    parser.add_argument("--seed", type=int, default=1, help="of the first round  [1]")
    parser.add_argument("--jobs", type=int, default=1, help="rounds at a time  [1]")
    parser.add_argument("--story", action="store_true", help="show what each round has done")
    parser.add_argument("--keep", help="an empty directory for what a violation leaves")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
