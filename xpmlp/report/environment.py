"""The machine and the versions used for computing the report."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import version

import numpy as np

from xpmlp._processes import available_cores
from xpmlp._version import __version__
from xpmlp.storage.provenance import processor


@lru_cache(maxsize=1)
def environment() -> dict[str, str]:
    """Describe the machine and the versions, which influence figures and times, as texts by name; not the backend."""
    return {
        "processor": processor(),
        "cores": str(available_cores()),
        "system": f"{platform.system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "xpmlp": __version__,
        "NumPy": np.__version__,
        "SciPy": version("scipy"),
    }
