"""Read what a worker's process is given by the system: its user, group and umask.

Like `values`, these know neither the setting's name nor where the value stands. Whether
this process has the right to give them is judged in `checks`, by what is in effect.
"""

from __future__ import annotations

import grp
import pwd
import re


class Umask(int):
    """A mask of modes, written in octal."""

    def __str__(self) -> str:
        return f"{int(self):03o}"


def umask(value: object) -> Umask:
    """Read a mask of modes: "022" or "0o022"."""
    if isinstance(value, Umask):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*(0[oO])?[0-7]{1,4}\s*", value):
        mask = int(value, 8)
        if mask <= 0o777:
            return Umask(mask)
    if isinstance(value, int) and not isinstance(value, bool):
        # TOML refuses 022, and 22 and 0o26 are one number to whoever reads it here.
        raise ValueError('write it in quotes, in octal: "022"; 22 and 022 read differently')
    raise ValueError('a mask in octal from "000" to "777" is needed, such as "022"')


def user(value: object) -> str:
    """Read the name of a user that this system has."""
    if not isinstance(value, str) or not value:
        raise ValueError("the name of a user is needed")
    try:
        return pwd.getpwnam(value).pw_name
    except (KeyError, ValueError):  # ValueError: a NUL in it
        raise ValueError(f"there is no user '{value}' on this system") from None


def group(value: object) -> str:
    """Read the name of a group of users that this system has."""
    if isinstance(value, dict):
        raise ValueError("this is a group of users; a group of workers is [groups.NAME]")
    if not isinstance(value, str) or not value:
        raise ValueError("the name of a group of users is needed")
    try:
        return grp.getgrnam(value).gr_name
    except (KeyError, ValueError):
        raise ValueError(f"there is no group '{value}' on this system") from None
