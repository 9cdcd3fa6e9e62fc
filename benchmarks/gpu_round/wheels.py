"""Packages for a machine without a network, from a folder of wheels.

Imports only the standard library: nothing else may be installed yet.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


class WheelsError(Exception):
    """Wheels that cannot be used; the message is one sentence."""


def install(wheels: Path, site: Path) -> None:
    """Install all wheels of a folder, without their requirements, into a folder for ``PYTHONPATH``.

    They are installed once, and again only if the wheels have changed.

    Parameters
    ----------
    wheels, site : Path

    Raises
    ------
    WheelsError
        If there are none, or pip refuses one.
    """
    found = sorted(wheels.glob("*.whl"))
    if not found:
        raise WheelsError(f"--wheels {wheels} holds no wheels: fill it with `pip download`, as docs/gpu.md says.")
    names = "\n".join([sys.version, *(path.name for path in found)])
    done = site / "installed.txt"
    if done.exists() and done.read_text() == names:
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--upgrade"]
    ended = subprocess.run(
        [*command, "--target", str(site), *map(str, found)], capture_output=True, text=True, check=False
    )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise WheelsError(
            f"pip cannot install the wheels in {wheels} ({last}): keep one version of each, for this Python."
        )
    done.write_text(names)
