"""Fingerprint of a finished part: a hash of all its dependencies; if it is unchanged, the part is not recomputed."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import xpmlp
from xpmlp.config import Config
from xpmlp.report.environment import environment
from xpmlp.report.part import ReportPart
from xpmlp.training.trainer import resolve_configured

_SHOWING = ("cli", "plots", "report")
"""Packages with code for display, which affects no number; a part's own module is hashed separately."""


def fingerprint(part: ReportPart, config: Config | None, quick: bool, needed: Mapping[str, str]) -> str:
    """Compute the SHA-256 of everything that determines a part's numbers and its time.

    This covers the computing code, the part's config, the machine and the versions, and the needed parts.  The data
    need no hash: the published sets are checked against their own, the others are generated.

    Parameters
    ----------
    part : ReportPart
    config : Config or None
    quick : bool
    needed : dict of str
        The fingerprints of the needed parts.
    """
    parts = {
        "part": part.name,
        "code": [_core_code(), _module_code(part.compute.__module__)],
        "config": None if config is None else config.to_toml(),
        "backend": None if config is None else resolve_configured(config.backend).backend.version,
        "quick": quick,
        "environment": environment(),
        "needs": dict(needed),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1)
def _core_code() -> str:
    """Compute the hash of the package's code, except the code for display."""
    root = Path(xpmlp.__file__).parent
    files = sorted(path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in _SHOWING)
    return _hash(files)


def _module_code(name: str) -> str:
    file = sys.modules[name].__file__
    assert file is not None
    return _hash([Path(file)])


def _hash(files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()
