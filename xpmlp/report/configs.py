"""The configs of the report's parts: files that `xpmlp train` takes, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpmlp.config import Config, load_config
from xpmlp.config.shipped import shipped_config


def report_config(name: str) -> Path:
    """The file of a part's config.

    Raises
    ------
    ConfigError
        If it is not there: the installation is not whole.
    """
    return shipped_config(f"report/{name}.toml")


def load_report_config(name: str, backend: str | None, overrides: Mapping[str, Any]) -> Config:
    """A part's config on another backend if one is named; without run plots, since the report draws its own, and
    without checkpoints, since it begins an unfinished part anew.

    Raises
    ------
    ConfigError
        If it cannot be read, or there is no such backend.
    """
    values = {"output.plots": False, "output.checkpoint_every": "none", **overrides}
    if backend is not None:
        values |= {"backend.name": backend, "backend.device": "none"}
    return load_config(report_config(name), values)
