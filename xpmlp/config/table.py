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

_NONE = (None, "none")


def table_config(path: Path, task: str, overrides: Mapping[str, Any]) -> Config:
    """Make the config that trains on a table: the recipe for its task, with a test part.

    Rows to validate are held out if they are asked for, or there are no folds that judge the networks.

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
    given = {"data.name": "table", "data.path": str(path), **overrides}
    folds = given.get("train.folds", load_config(PREFIX + RECIPES[task]).train.folds)
    asked = any(given.get(f"data.{key}") not in _NONE for key in ("validation", "validation_size"))
    tested = given.get("data.test_fraction") != 0 or given.get("data.test") not in _NONE
    split = "test" if folds not in _NONE and not asked else "three-way" if tested else "validation"
    return recipe_config(task, {"data.split": split, **given}).named(stem_of(path))


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
