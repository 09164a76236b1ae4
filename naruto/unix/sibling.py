"""Fork a process that is the child of our parent from birth: clone(2) with CLONE_PARENT.

For a process that forks on behalf of its parent. With a double fork the new process would
for a while be nobody's whom the parent may wait for.

The system call is made directly, past the libc's fork: handlers of pthread_atfork(3) do not
run. What glibc does for its own sake is done here: the thread's id that it keeps in memory
is set by the kernel (CLONE_CHILD_SETTID), and its list of robust mutexes is registered.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import threading

import attrs

from . import mask

_CLONE_PARENT = 0x00008000
_CLONE_CHILD_CLEARTID = 0x00200000
_CLONE_CHILD_SETTID = 0x01000000
_FLAGS = _CLONE_PARENT | _CLONE_CHILD_CLEARTID | _CLONE_CHILD_SETTID | signal.SIGCHLD
_PR_GET_TID_ADDRESS = 40


@attrs.frozen
class _Calls:
    """Numbers of system calls.

    Attributes:
        tid_last: Whether the child's thread id comes after the thread's storage in clone.
    """

    clone: int
    set_robust_list: int
    get_robust_list: int
    tid_last: bool


_CALLS = {"x86_64": _Calls(56, 273, 274, False), "aarch64": _Calls(220, 99, 100, True)}


def fork_sibling() -> int:
    """Fork as os.fork does, but for our parent, with every signal blocked in the child.

    Call it in a process that has one thread: nobody else's locks are taken before, and the
    allocator's could be held. The interpreter lock is kept over the call, and the functions
    of os.register_at_fork run.

    Returns:
        0 in the child; its pid in the caller, who can't wait for it: it's the parent's.

    Raises:
        RuntimeError: There are other threads.
        OSError: The kernel would not (EAGAIN, ENOMEM; EINVAL as pid 1, which has no parent:
            clone(2)); ENOSYS on a machine or a libc where this is not known to work.
    """
    if threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("fork_sibling: this process has other threads")
    clone = _Clone.prepare()
    sys.audit("os.fork")
    before = mask.block_all()
    pid = -1
    try:
        pid = _between_hooks(clone)
    finally:
        if pid != 0:
            mask.restore(before)
    return pid


def _between_hooks(clone: _Clone) -> int:
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = clone.call()
    if pid == 0:
        python.PyOS_AfterFork_Child()
        clone.register_robust_list()
        return 0
    error = ctypes.get_errno()  # before anything else is called
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, os.strerror(error))
    return pid


@attrs.frozen
class _Clone:
    """A system call that is ready to be made.

    Attributes:
        libc: A PyDLL: the interpreter lock is kept, so no other code runs in between.
        tid: The address where the libc keeps the thread's id.
        robust: Address and bytes of its list of robust mutexes (get_robust_list(2)).
    """

    libc: ctypes.PyDLL
    calls: _Calls
    tid: int
    robust: tuple[int, int]

    @classmethod
    def prepare(cls) -> _Clone:
        """Find out all that the call needs, while an error is still an error.

        Raises:
            OSError: ENOSYS, as fork_sibling.
        """
        calls = _CALLS.get(os.uname().machine)
        if calls is None or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise OSError(errno.ENOSYS, "fork_sibling: not known on this machine")
        libc = ctypes.PyDLL(None, use_errno=True)
        libc.syscall.restype = ctypes.c_long
        return cls(libc, calls, _tid_address(libc), _robust_list(libc, calls))

    def call(self) -> int:
        """Clone; the child goes on with a copy of the same stack, as after fork(2)."""
        tid, nothing = ctypes.c_void_p(self.tid), ctypes.c_void_p(None)
        last = (nothing, tid) if self.calls.tid_last else (tid, nothing)
        number, flags = ctypes.c_long(self.calls.clone), ctypes.c_long(_FLAGS)
        pid: int = self.libc.syscall(number, flags, nothing, nothing, *last)
        return pid

    def register_robust_list(self) -> None:
        """Tell the kernel of the child's list: clone has forgotten it."""
        head, size = self.robust
        number = ctypes.c_long(self.calls.set_robust_list)
        self.libc.syscall(number, ctypes.c_void_p(head), ctypes.c_size_t(size))


def _tid_address(libc: ctypes.PyDLL) -> int:
    """Return where the libc keeps the thread's id; glibc lets the kernel clear it there.

    musl has a lock there. A kernel without CONFIG_CHECKPOINT_RESTORE doesn't say.
    """
    address = ctypes.c_void_p()
    nothing = ctypes.c_ulong(0)
    failed = libc.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(address), *3 * [nothing])
    if failed or not address.value or _int_at(address.value) != threading.get_native_id():
        raise OSError(errno.ENOSYS, "fork_sibling: where the libc keeps the thread's id")
    return address.value


def _int_at(address: int) -> int:
    return ctypes.c_int.from_address(address).value


def _robust_list(libc: ctypes.PyDLL, calls: _Calls) -> tuple[int, int]:
    head, size = ctypes.c_void_p(), ctypes.c_size_t()
    number = ctypes.c_long(calls.get_robust_list)
    libc.syscall(number, ctypes.c_long(0), ctypes.byref(head), ctypes.byref(size))
    return head.value or 0, size.value
