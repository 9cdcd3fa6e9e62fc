"""Reuse of the memory of large temporary arrays."""

from __future__ import annotations

import ctypes
import functools

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 64 << 20
LARGEST = 32 << 20
"""The largest threshold accepted by glibc."""


@functools.cache
def keep_freed_memory() -> None:
    """Make the C library keep up to 64 MiB of freed memory; once per process, and only if it is glibc.

    It lasts for the life of the process and cannot be undone, so it is for this program's own processes: the command
    line and the workers.

    By default glibc returns a freed array of a few megabytes to the system, which hands it out again page by page and
    zeroed: at batch 1024 that takes a tenth of a training step.  See mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if hasattr(ctypes, "RTLD_GLOBAL") else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, KEPT)
