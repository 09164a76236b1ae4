"""What the commands show: tables and progress on a terminal, plain lines elsewhere.

rich is imported when something is shown, because a service that prints nothing must not
pay for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..client import waits_for
from ..core.messages import printable
from ..settings import GROUP_OPTIONS, SERVICE_OPTIONS, Settings, written
from ..unix import rundir

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Rows = Sequence[tuple[str, ...]]


COLUMNS = (
    *("GROUP", "INDEX", "GEN", "PID", "STATE", "LOOPS", "ERRORS"),
    *("LOOP", "UPTIME", "MEMORY", "CPU", "WORKING ON"),
)


def error(text: str) -> None:
    """Print what went wrong to stderr, as it is."""
    print(f"naruto: {text}", file=sys.stderr)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = 1000  # nobody looks at it: a line stays a line
    return console


def _table(*columns: str, rows: Rows) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.isupper() and column not in ("GROUP", "STATE", "WORKING ON")
        table.add_column(column, justify="right" if right else "left", no_wrap=right)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # what users wrote is no markup
    return table


def greeting(settings: Settings) -> None:
    """Say on a terminal what starts, and where."""
    if not sys.stderr.isatty():
        return
    console = _console(stderr=True)
    where = rundir.place(settings.name, settings.run_dir)
    console.print(f"[bold]naruto {__version__}[/]  {settings.name}  {where}", markup=True)
    rows = [
        (group.name, _target(group.target), str(group.workers)) for group in settings.groups
    ]
    console.print(_table("GROUP", "target", "WORKERS", rows=rows))


def _target(target: object) -> str:
    if target is None:
        return "the built-in demo; name your own: naruto start module:name"
    return target if isinstance(target, str) else repr(target)


@contextmanager
def progress(verb: str) -> Iterator[Callable[[dict[str, Any]], None] | None]:
    """On a terminal keep a line that says what a command waits for."""
    if not sys.stderr.isatty():
        yield None
        return
    began = time.monotonic()
    with _console(stderr=True).status(f"{verb} …") as line:

        def update(service: dict[str, Any]) -> None:
            from rich.markup import escape

            seconds = time.monotonic() - began
            line.update(f"{verb}: {seconds:.0f} s {escape(waits_for(service))}")

        yield update


def with_usage(service: dict[str, Any]) -> dict[str, Any]:
    """Add memory and CPU to every worker: the asker looks it up, not the master."""
    import psutil

    for group in service["groups"]:
        for worker in group["workers"]:
            worker["memory"] = worker["cpu"] = None
            try:
                process = psutil.Process(worker["pid"])
                times = process.cpu_times()
                worker["memory"] = process.memory_info().rss
                worker["cpu"] = round(times.user + times.system, 2)
            except (psutil.Error, ValueError):
                pass  # it has just ended
    return service


def status(service: Mapping[str, Any]) -> None:
    """Print a service and its workers."""
    console = _console()
    console.print(
        f"{service['name']}: {service['state']}, pid {service['pid']}, {service['run_dir']}",
        markup=False,
        soft_wrap=True,
    )
    rows = [_row(group, worker) for group in service["groups"] for worker in group["workers"]]
    console.print(_table(*COLUMNS, rows=rows))
    for group in service["groups"]:
        for line in _troubles(group):
            console.print(line, markup=False, soft_wrap=True)


def _troubles(group: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with a group, why, and what will be done about it."""
    name = group["name"]
    if group["fatal"]:
        yield f"{name}: FATAL: {group['fatal']}; naruto reload {name} brings it back"
    for index in group.get("orphans", ()):  # an older master knows none
        yield f"{name}: index {index} waits for the end of a worker whose master has died"
    for slot in group["failing"]:
        at = slot["next_try"]
        then = "is being tried again" if at is None else f"next try in {span(at)}"
        cause = slot["cause"].splitlines() or ["?"]
        shown = cause[0] if len(cause) == 1 else f"{cause[0]}: {cause[-1]}"
        yield (
            f"{name}: failing: index {slot['index']}, {slot['failures']} short lives in a"
            f" row, {then}; the last: {printable(shown)}"
        )


def _row(group: Mapping[str, Any], worker: Mapping[str, Any]) -> tuple[str, ...]:
    memory, cpu, age = worker["memory"], worker["cpu"], worker.get("loop_age")
    return (
        group["name"],
        str(worker["index"]),
        str(worker["generation"]),
        str(worker["pid"]),
        worker["state"] + (f" ({worker['told']})" if worker["told"] else ""),
        str(worker.get("loops", "")),
        str(worker.get("errors", "")),
        "" if age is None else span(age),
        span(worker["uptime"]),
        "" if memory is None else f"{memory / 2**20:.1f}M",
        "" if cpu is None else f"{cpu:.1f}s",
        printable(worker.get("working_on") or ""),
    )


def span(seconds: float) -> str:
    """Write a length of time in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, hours, days = int(seconds / 60), int(seconds / 3600), int(seconds / 86400)
    if hours == 0:
        return f"{minutes}m{int(seconds % 60):02}s"
    return f"{hours}h{minutes % 60:02}m" if days == 0 else f"{days}d{hours % 24:02}h"


def services(running: list[tuple[str, str, int]]) -> None:
    """Print the services that run."""
    rows = [(name, str(pid), path) for name, path, pid in running]
    _console().print(_table("name", "PID", "run directory", rows=rows))


def settings(shown: Settings, attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what is in effect, and where each value comes from."""
    rows: list[tuple[str, ...]] = []
    for option in SERVICE_OPTIONS:
        value = getattr(shown, option.name)
        rows.append((option.name, _cell(value), shown.origins[option.name]))
    for group in shown.groups:
        for option in GROUP_OPTIONS:
            key = f"groups.{group.name}.{option.name}"
            value, origin = getattr(group, option.name), shown.origins[key]
            if origin == "default" and option.name in attributes.get(group.name, {}):
                value, origin = attributes[group.name][option.name], "class attribute"
            elif value is None and option.obeyed_by == "worker":
                value = option.default
            elif value is None:  # a group's directory, when it is the service's
                value = getattr(shown, option.name, None)
            rows.append((key, _cell(value), origin))
    _console().print(_table("setting", "value", "from", rows=rows))


def _cell(value: object) -> str:
    return written(value) or "none"  # an empty table is no hole in ours
