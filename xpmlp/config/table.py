"""The config of `xpmlp train TABLE`: a recipe, and what the command says of the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpmlp.config.load import METRIC, load_config
from xpmlp.config.metrics import check_metric
from xpmlp.config.model import Config
from xpmlp.config.shipped import PREFIX

RECIPES = {"classes": "table.toml", "values": "table-values.toml"}
"""The shipped configs by task."""


def table_config(path: Path, task: str, overrides: Mapping[str, Any]) -> Config:
    """Make the config that trains on a table: the recipe for its task, and three parts.

    Parameters
    ----------
    path : Path
        The table, whose stem is the config's name.
    task : "classes" or "values"
    overrides : mapping
        Values by dotted key that are laid over it.

    Raises
    ------
    ConfigError
        For all unknown keys and values that are not allowed.
    """
    given = {"data.name": "table", "data.path": str(path), "data.split": "three-way", **overrides}
    if given.get("data.test_fraction") == 0 and given.get("data.test") is None:
        given["data.split"] = "validation"
    return recipe_config(task, given).named(stem_of(path))


def recipe_config(task: str, given: Mapping[str, Any]) -> Config:
    """The recipe for a task with values by dotted key laid over it.

    Raises
    ------
    ConfigError
        If a value is not allowed, or the metric is for another task.
    """
    check_metric(given.get(METRIC), task)
    return load_config(PREFIX + RECIPES[task], given)


def stem_of(path: Path) -> str:
    """The name of a table without its endings, as ``sales`` of ``sales.csv.gz``."""
    return path.name.split(".")[0] or path.name
