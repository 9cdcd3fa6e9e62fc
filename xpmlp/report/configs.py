"""The configs of the report's parts, which also work with `xpmlp train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpmlp.config import Config, load_config
from xpmlp.config.shipped import shipped_config


def report_config(name: str) -> Path:
    """Return the path of a part's config.

    Raises
    ------
    ConfigError
        If it is missing: the installation is incomplete.
    """
    return shipped_config(f"report/{name}.toml")


def load_report_config(name: str, backend: str | None, overrides: Mapping[str, Any]) -> Config:
    """Load a part's config, with another backend if one is named.

    Run plots are off, since the report draws its own; so are checkpoints, since it begins an unfinished part anew.

    Raises
    ------
    ConfigError
        If it cannot be read, or there is no such backend.
    """
    values = {"output.plots": False, "output.checkpoint_every": "none", **overrides}
    if backend is not None:
        values |= {"backend.name": backend, "backend.device": "none"}
    return load_config(report_config(name), values)
