"""A user's traceback as the user should see it: without the frames that are naruto's."""

from __future__ import annotations

import os
import traceback

_OURS = os.path.dirname(os.path.dirname(__file__))
_OUR_FRAME = f'  File "{_OURS}{os.sep}'


def without_ours(dump: str) -> str:
    """Return faulthandler's dump without naruto's frames, and those that have called them.

    It prints the most recent call first: in each thread the user's frames come before ours.
    """
    kept, stack, ours = [], False, False
    for line in dump.splitlines():
        stack = line.endswith("(most recent call first):") or (stack and line.startswith("  "))
        ours = stack and line.startswith("  ") and (ours or line.startswith(_OUR_FRAME))
        if not ours:
            kept.append(line)
    return "\n".join(kept)


def formatted(error: BaseException) -> str:
    """Return the traceback from the first frame that isn't naruto's or the import system's."""
    frames = error.__traceback__
    while frames is not None:
        name = frames.tb_frame.f_code.co_filename
        if not (name.startswith((_OURS, "<frozen importlib")) or "/importlib/" in name):
            break
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()
