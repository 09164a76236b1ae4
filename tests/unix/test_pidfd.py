"""The end of a process that is no child can be waited for."""

from __future__ import annotations

import os
import select

from naruto.unix import pidfd
from tests.unix.forked import end, living


def test_readable_at_the_end() -> None:
    """The descriptor wakes its watcher when the process is dead, and not before."""
    with living(lambda: None) as pid:
        fd = pidfd.watch(pid)
        assert fd is not None and not os.get_inheritable(fd)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert not poll.poll(0)
        end(pid)
        assert poll.poll(10_000)
        os.close(fd)


def test_nobody() -> None:
    """Of a pid that is no more there is nothing to watch."""
    with living(lambda: None) as pid:
        end(pid)
        assert pidfd.watch(pid) is None
