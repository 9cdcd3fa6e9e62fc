"""The machine and the versions that times belong to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from xpmlp.report.environment import environment

PACKAGES = ("torch", "jax", "jaxlib", "scikit-learn", "keras", "cupy-cuda13x", "cupy-cuda12x")


def machine() -> dict[str, str]:
    """A name and a text for each fact."""
    return {**environment(), **dict(_versions(PACKAGES)), "load before": f"{os.getloadavg()[0]:.1f}"}


def slug(facts: dict[str, str]) -> str:
    """A folder's name for this machine, as ``amd-epyc-2-cores``."""
    return re.sub(r"[^a-z0-9]+", "-", f"{facts['processor']} {facts['cores']} cores".lower()).strip("-")


def _versions(packages: Iterable[str]) -> Iterable[tuple[str, str]]:
    for package in packages:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
