"""The options of the command line, made from the table of settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..settings import OPTIONS, Option, written

F = TypeVar("F", bound=Callable[..., Any])


def settings(command: F) -> F:
    """Give a command an option for each setting, and TARGET."""
    for option in reversed(OPTIONS):
        if option.name != "target":
            command = _option(option)(command)
    command = click.option("--config", metavar="FILE", help="the settings file")(command)
    return click.argument("target", required=False)(command)


def _option(option: Option) -> Callable[[F], F]:
    default = "" if option.default is None else written(option.default)
    shown = f"  [{default}]" if default else ""
    if option.is_flag:
        flag = f"{option.flag}/--no-{option.flag.removeprefix('--')}"
        return click.option(flag, option.name, default=None, help=option.help + shown)
    return click.option(
        option.flag, option.name, metavar=option.metavar, default=None, help=option.help + shown
    )


def service(command: F) -> F:
    """Give a command the options that say which service is meant."""
    command = click.option("--config", metavar="FILE", help="the service's settings file")(
        command
    )
    command = click.option("--run-dir", metavar="PATH", help="its run directory")(command)
    return click.option("--name", metavar="NAME", help="its name")(command)


def waiting(command: F) -> F:
    """Give a command the options that say how long to wait for its result."""
    command = click.option("--no-wait", is_flag=True, help="don't wait for the result")(command)
    return click.option(
        "--timeout",
        metavar="TIME",
        help="exit 1 if it takes longer; nothing is called off by it",
    )(command)
