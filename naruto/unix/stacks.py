"""Stack dumps of a process that is stuck, written into a descriptor by faulthandler.

The dump is made in the C signal handler: it needs neither the interpreter lock nor a
return from C, so a deadlock and a call that never comes back show as well as a crash does.
SIGURG is ignored by default, so one that comes before its handler kills nobody.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import signal
import threading

from .libc import LIBC, MAP_FAILED

ALTERNATIVE_STACK = 1 << 20
"""Bytes: 64 signals at once with the largest frame known (AMX, 11 KiB); see widen()."""

_wide: set[int] = set()
"""Threads that have it. The one of a fork has the number of the one that has forked it."""

_MAP_NORESERVE = 0x4000  # the same on x86, arm, riscv and s390
_MAP_STACK = 0x20000


class _Stack(ctypes.Structure):
    """stack_t of sigaltstack(2)."""

    _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def arm(fd: int) -> None:
    """Write the stacks of all threads into a descriptor at a crash, and when asked.

    Call it in the main thread.

    Raises:
        OSError: The kernel gave no memory for the alternative stack.
    """
    widen()
    faulthandler.enable(file=fd, all_threads=True)
    faulthandler.register(signal.SIGURG, file=fd, all_threads=True, chain=False)


def disarm() -> None:
    """Never write again: for a process that the user's code forked.

    In there the number of the descriptor may soon be somebody else's. The alternative stack
    stays, because other handlers may need it.
    """
    faulthandler.disable()
    faulthandler.unregister(signal.SIGURG)


def ask(pid: int) -> None:
    """Have an armed process dump its stacks now.

    It wakes poll(2) and the like (EINTR), which Python tries again. Of a process with
    threads a question in the middle of a dump is dropped: no dump is torn by another.

    Raises:
        ProcessLookupError: It's gone.
    """
    os.kill(pid, signal.SIGURG)


def widen() -> None:
    """Give this thread, and what it forks, a large alternative signal stack, once.

    faulthandler takes one of a few KiB when it is first used, and CPython asks for it with
    every handler (SA_ONSTACK, signal(7)): ten handled signals delivered at once overflow
    it, which is a SIGSEGV. So there is one that has room for all of them. A fork inherits
    it (sigaltstack(2)), so a master has it made before its first.

    The memory is never freed: a handler may stand on it at any time, also in a process
    forked from this one. Pages that no signal ever needs cost nothing.

    Raises:
        OSError: The kernel gave no memory.
    """
    if threading.get_ident() in _wide:
        return
    if not faulthandler.is_enabled():  # else it has its own already, and asks for no other
        faulthandler.enable(file=2)
        faulthandler.disable()
    now = _Stack()
    _check(LIBC.sigaltstack(None, ctypes.byref(now)))
    if now.size < ALTERNATIVE_STACK:
        _replace_stack()
    _wide.add(threading.get_ident())


def _replace_stack() -> None:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE | _MAP_STACK
    memory = LIBC.mmap(None, ALTERNATIVE_STACK, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    _check(-1 if memory == MAP_FAILED else 0)
    _check(LIBC.sigaltstack(ctypes.byref(_Stack(memory, 0, ALTERNATIVE_STACK)), None))


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"alternative signal stack: {os.strerror(number)}")
