"""A user's traceback as the user should see it: without the frames that are naruto's."""

from __future__ import annotations

import os
import traceback


def formatted(error: BaseException) -> str:
    """Return the traceback from the first frame that isn't naruto's or the import system's."""
    frames = error.__traceback__
    ours = os.path.dirname(os.path.dirname(__file__))
    while frames is not None:
        name = frames.tb_frame.f_code.co_filename
        if not (name.startswith((ours, "<frozen importlib")) or "/importlib/" in name):
            break
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()
