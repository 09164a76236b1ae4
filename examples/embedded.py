"""A program of its own that runs a service in the middle of its life.

python embedded.py        ends by Ctrl-C, by TERM, or by: naruto stop --name ticks
"""

import sys

from naruto import Manager, NarutoError, WorkerProcess


class Ticks(WorkerProcess):
    """Says its index once a second."""

    interval = "1s"

    def business(self) -> None:
        print(f"tick {self.index}")


def main() -> int:
    """Prepare, run the service, clear up."""
    print("the program prepares", flush=True)
    # As a library naruto is silent; whoever sets log_level or log_file wants its log.
    manager = Manager(Ticks, name="ticks", workers=2, log_level="info")
    try:
        status = manager.run()
    except NarutoError as error:
        print(f"no service: {error}")
        return error.status
    print(f"the service has ended with {status}, and the program goes on")
    return status


if __name__ == "__main__":
    sys.exit(main())
