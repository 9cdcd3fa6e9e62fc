"""The machine and the versions used for computing the report."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from xpmlp._processes import available_cores
from xpmlp._version import __version__


@lru_cache(maxsize=1)
def environment() -> dict[str, str]:
    """Describe the machine and the versions, which influence figures and times, as texts by name; not the backend."""
    return {
        "processor": _processor(),
        "cores": str(available_cores()),
        "system": f"{platform.system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "xpmlp": __version__,
        "NumPy": np.__version__,
        "SciPy": version("scipy"),
    }


def _processor() -> str:
    """Return the processor's product name if available (Linux), else the platform's description of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
