"""Where it was measured: the machine's shape, and the versions of all that took part."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version

from .adapters.base import Adapter


def shape() -> str:
    """Return one line: processors, memory, kernel, Python."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cpus = len(os.sched_getaffinity(0))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    kernel = f"Linux {platform.release().split('-')[0]} ({platform.machine()})"
    return f"{cpus} CPUs{_model()}, {pages / 2**30:.1f} GB of memory, {kernel}, {python}"


def versions(adapters: Iterable[Adapter]) -> str:
    """Return every package with its version."""
    found = {one.distribution for one in adapters if one.distribution}
    return ", ".join(f"{name} {version(name)}" for name in sorted(found | {"pyzmq"}))


def _model() -> str:
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return f" ({line.partition(':')[2].strip()})"
    return ""
