"""The machine and the versions of a measurement."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from xpmlp.report.environment import environment

PACKAGES = (
    "numba",
    "torch",
    "jax",
    "jaxlib",
    "scikit-learn",
    "catboost",
    "lightgbm",
    "pytabkit",
    "keras",
    "cupy-cuda13x",
    "cupy-cuda12x",
)


def machine() -> dict[str, str]:
    """Return the facts about this machine: names and texts."""
    return {**environment(), **dict(_gpu()), **dict(_versions(PACKAGES)), "load before": f"{os.getloadavg()[0]:.1f}"}


def headed(title: str, command: str, table: str) -> str:
    """Put a heading above a table in Markdown: a title with the machine, the command, the day and the versions."""
    facts = machine()
    shown = [f"{name} {text}" for name, text in facts.items() if name not in ("processor", "cores", "load before")]
    return (
        f"# {title} on {facts['processor']}, {facts['cores']} cores\n\n"
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}.\n\n"
        f"{', '.join(shown)}.\n\n{table}"
    )


def slug(facts: dict[str, str]) -> str:
    """Name a folder for this machine, such as ``amd-epyc-2-cores``, by its GPU if it has one."""
    return re.sub(r"[^a-z0-9]+", "-", f"{facts.get('GPU', facts['processor'])} {facts['cores']} cores".lower()).strip(
        "-"
    )


def _gpu() -> Iterable[tuple[str, str]]:
    """Yield the first NVIDIA GPU and its driver."""
    if shutil.which("nvidia-smi") is not None:
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        asked = subprocess.run(query, capture_output=True, text=True, check=False)
        if asked.returncode == 0 and asked.stdout:
            name, _, driver = asked.stdout.splitlines()[0].partition(", ")
            yield from (("GPU", name), ("driver", driver))


def _versions(packages: Iterable[str]) -> Iterable[tuple[str, str]]:
    for package in packages:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
