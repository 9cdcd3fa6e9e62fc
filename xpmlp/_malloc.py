"""Keep the memory of large temporary arrays for the next ones."""

from __future__ import annotations

import ctypes
import functools

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 64 << 20
LARGEST = 32 << 20
"""The most that glibc takes for a threshold."""


@functools.cache
def keep_freed_memory() -> None:
    """Have the C library keep up to 64 MiB of freed memory; once a process, and only if it is glibc.

    It is for the life of the process and cannot be put back, so it is for processes of this program's own: the command
    line and the workers.

    By default glibc gives a freed array of a few megabytes back to the system, which hands it out again page by page
    and zeroed: at batch 1024 that is a tenth of a training step.  See mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if hasattr(ctypes, "RTLD_GLOBAL") else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, KEPT)
