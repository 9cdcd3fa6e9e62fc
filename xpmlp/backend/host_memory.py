"""Bytes that are free for a backend's arrays, and errors that mean that none are: by default, in host memory."""

from __future__ import annotations

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")

CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Files with a container's memory limit and usage, in cgroup versions 2 and 1."""


class Memory:
    """Memory of a backend's arrays, here the host's; a backend with arrays elsewhere has a subclass."""

    def free(self) -> int | None:
        """Return the free bytes; ``None`` if unknown."""
        return free_host_memory()

    def is_exhausted(self, error: BaseException) -> bool:
        """Check whether an error means that the device or the host has run out of memory."""
        return isinstance(error, MemoryError)


def free_host_memory() -> int | None:
    """Return the free bytes: the machine's, or fewer in a container with a limit; ``None`` if unknown."""
    found = [free for free in (_free_of_machine(), *map(_free_of_cgroup, CGROUPS)) if free is not None]
    return min(found, default=None)


def _free_of_machine() -> int | None:
    """Read Linux's available memory, caches included; elsewhere the unused pages, if they are counted."""
    try:
        lines = dict(line.split(":") for line in MEMINFO.read_text(encoding="utf-8").splitlines())
        return int(lines["MemAvailable"].removesuffix("kB")) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _free_of_cgroup(names: tuple[Path, str, str]) -> int | None:
    """Return a container's limit less its usage without reclaimable cached files; ``None`` without a limit."""
    folder, limit, usage = names
    try:
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
        used = int((folder / usage).read_text(encoding="utf-8")) - int(statistics["inactive_file"])
        return max(0, int((folder / limit).read_text(encoding="utf-8")) - used)
    except (OSError, KeyError, ValueError):  # no such group, or "max"
        return None
