"""``python -m bench``: measure, print the tables; in full, write them to docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from . import machine
from .adapters import ALL
from .plan import FULL, QUICK
from .plots import draw
from .report import report
from .results import Results
from .run import run

DOCS = Path(__file__).parent.parent / "docs"
HEAD = """# Benchmarks

Written by `make bench`; run it to repeat them on your machine. `make bench-quick` takes less
than three minutes and only prints.

The floor is the least that any master of forked workers does: fork, tell, wait, with the
modules imported that naruto's master has imported; the bare floor imports nothing. Peers run
as they come; what is set otherwise is said in `bench/adapters`. All run the same loop, which
records by itself when it began and ended (`bench/work.py`), so that nobody is asked anything
while it is measured.
"""


def main() -> None:
    """Run the bench."""
    given = _arguments()
    # An end by a signal clears away, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan = QUICK if given.quick else FULL
    results, began = Results(), time.monotonic()

    def said(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    run(plan, results, said)
    text = report(results, plan, machine.shape(), machine.versions(ALL))
    print(text)
    if not given.quick:
        pictures = _drawn(results)
        (DOCS / "benchmarks.md").write_text(f"{HEAD}\n{text}{pictures}")
    said("done")


def _drawn(results: Results) -> str:
    folder = DOCS / "benchmarks"
    os.makedirs(folder, exist_ok=True)
    lines = [f"![{title}](benchmarks/{name})" for title, name in draw(results, str(folder))]
    return "\n".join(["\n## Over the number of workers\n", *lines, ""]) if lines else ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions")
    return parser.parse_args()


if __name__ == "__main__":
    main()
