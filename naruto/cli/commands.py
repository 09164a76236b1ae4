"""The commands: each one asks the Manager, prints what it says, and exits."""

from __future__ import annotations

import functools
import json
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click

from .. import __version__
from ..errors import NarutoError
from ..manager import Manager
from . import options, show

F = TypeVar("F", bound=Callable[..., Any])
INTERRUPTED = 130
"""The exit status of a command that Ctrl-C has ended: 128 and the signal's number."""


def _told(command: F) -> F:
    """Turn an error into its words on stderr and its exit status."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> NoReturn:
        try:
            sys.exit(command(*args, **kwargs))
        except NarutoError as error:
            show.error(str(error))
            sys.exit(error.status)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # Who read our output has enough. Nothing more may be printed, by the
            # interpreter's last flush neither.
            sys.stdout = None
            sys.exit(1)

    return run  # type: ignore[return-value]


def _interruptible() -> None:
    """Let Ctrl-C raise again where a reply pipe has to be removed."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="naruto %(version)s")
def naruto() -> None:
    """Business loops that run for months and are never cut in half.

    Every option of start may stand in naruto.toml, and in the environment as NARUTO_...
    """


@naruto.command(short_help="Run a service, in the foreground or as a daemon (-d).")
@options.settings
@click.option("-d", "--daemon", is_flag=True, help="detach; return when every worker is READY")
@click.option("--no-wait", is_flag=True, help="with -d: don't wait for READY")
@click.option("-q", "--quiet", is_flag=True, help="no greeting")
@_told
def start(target: str | None, config: str | None, daemon: bool, **given: Any) -> int:
    """Run TARGET (module:name), or what the settings file says, or the demo."""
    quiet, no_wait = given.pop("quiet"), given.pop("no_wait")
    manager = Manager(target, config=config, **given)
    if not quiet:
        show.greeting(manager.settings)
    if not daemon:
        return manager.run(embedded=False)
    _interruptible()
    pid = manager.start(wait=not no_wait)
    if not quiet:
        click.echo(f"{manager.settings.name} runs as pid {pid}; its log: {manager.log_path()}")
    return 0


def _order(verb: str, *args: str, given: dict[str, Any], **more: Any) -> int:
    _interruptible()
    manager = Manager(**{key: given[key] for key in ("name", "run_dir", "config")})
    with show.progress(verb) as progress:
        text = getattr(manager, verb)(
            *args,
            timeout=given["timeout"],
            wait=not given["no_wait"],
            progress=progress,
            **more,
        )
    if text:
        click.echo(text)
    return 0


@naruto.command(short_help="Replace every worker, each after its loop, by one with new code.")
@click.argument("groups", nargs=-1, metavar="[GROUP]...")
@options.service
@options.waiting
@_told
def reload(groups: tuple[str, ...], **given: Any) -> int:
    """Replace every worker, each after its loop, by one with today's code and settings."""
    return _order("reload", *groups, given=given)


@naruto.command(short_help="End when every loop is done, however long that takes.")
@options.service
@options.waiting
@_told
def quit(**given: Any) -> int:  # noqa: A001 - the command's name
    """End when every worker's loop is done, however long that takes."""
    return _order("quit", given=given)


@naruto.command(short_help="End within stop_timeout, or at once (--now).")
@click.option("--now", is_flag=True, help="kill every worker at once")
@options.service
@options.waiting
@_told
def stop(now: bool, **given: Any) -> int:
    """End within stop_timeout; who is still in a loop then is killed, and named."""
    return _order("stop", given=given, now=now)


@naruto.command(short_help="Check, stop, and start again under the same pid.")
@options.service
@options.waiting
@_told
def restart(**given: Any) -> int:
    """Check that the program starts, stop, and start it again under the same pid."""
    return _order("restart", given=given)


@naruto.command(short_help="Change to the naruto and Python of today, workers untouched.")
@options.service
@options.waiting
@_told
def upgrade(**given: Any) -> int:
    """Check the program of today, and let it go on with the same workers and the same pid."""
    return _order("upgrade", given=given)


@naruto.command(short_help="Show every worker: what it does, since when, on what.")
@click.option("--json", "as_json", is_flag=True, help="as data, in a documented schema")
@options.service
@click.option("--timeout", metavar="TIME", default="5s", help="how long to wait  [5s]")
@_told
def status(as_json: bool, timeout: str, **given: Any) -> int:
    """Show every worker: what it does, since when, on what."""
    _interruptible()
    service = show.with_usage(Manager(**given).status(timeout=timeout))
    if as_json:
        click.echo(json.dumps(service, indent=2))
    else:
        show.status(service)
    return 0


@naruto.command("list", short_help="Show all services of this user that run.")
@click.option("--json", "as_json", is_flag=True, help="as data")
@_told
def list_(as_json: bool) -> int:
    """Show all services of this user that run."""
    from ..unix import services

    running = sorted(services.all_running())
    if as_json:
        rows = [{"name": n, "run_dir": path, "pid": pid} for n, path, pid in running]
        click.echo(json.dumps(rows, indent=2))
    elif running:
        show.services(running)
    else:
        click.echo("no service is running")
    return 0


@naruto.command(short_help="Show the settings in effect, or judge them (--check).")
@options.settings
@click.option("--check", is_flag=True, help="only judge, the target's import included")
@_told
def config(target: str | None, config: str | None, check: bool, **given: Any) -> int:
    """Show the settings that are in effect, and where each comes from."""
    from ..checking import check as load_targets

    manager = Manager(target, config=config, **given)
    attributes = load_targets(manager.settings)
    if check:
        click.echo(f"{manager.settings.name}: the settings are good, and the targets load")
        if all(group.target is None for group in manager.settings.groups):
            show.error("warning: no target is set here, so this is the built-in demo")
    else:
        show.settings(manager.settings, attributes)
    for sentence in manager.source.suspects():
        show.error(f"warning: {sentence}")
    return 0
