"""The C library, for the calls that Python does not have. Loaded once: each fork would pay."""

from __future__ import annotations

import ctypes

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *3 * [ctypes.c_int], ctypes.c_long)

MAP_FAILED = ctypes.c_void_p(-1).value
"""What mmap(2) returns where it would not."""
