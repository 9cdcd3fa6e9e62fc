"""The config of `xpmlp train TABLE`: a recipe with the command's options for the table."""

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


def table_config(path: Path, task: str, overrides: Mapping[str, Any], *, origin: str = "") -> Config:
    """Build the config for training on a table: the recipe for its task, with a test part.

    Validation rows are held out if asked for, or if there are no folds to judge the networks by.

    Parameters
    ----------
    path : Path
        The table; its stem becomes the config's name.
    task : "classes" or "values"
    overrides : mapping
        Values by dotted key that override the recipe's.
    origin : str
        As for `load_config`.

    Raises
    ------
    ConfigError
        For unknown keys and invalid values.
    """
    given = {"data.name": "table", "data.path": str(path), **overrides}
    folds = given.get("train.folds", load_config(PREFIX + RECIPES[task]).train.folds)
    asked = any(given.get(f"data.{key}") not in _NONE for key in ("validation", "validation_size"))
    tested = given.get("data.test_fraction") != 0 or given.get("data.test") not in _NONE
    split = "test" if folds not in _NONE and not asked else "three-way" if tested else "validation"
    return recipe_config(task, {"data.split": split, **given}, origin=origin).named(stem_of(path))


def recipe_config(task: str, given: Mapping[str, Any], *, origin: str = "") -> Config:
    """Load the recipe for a task, with values by dotted key laid over it; ``origin`` as for `load_config`.

    Raises
    ------
    ConfigError
        If a value is invalid, or the metric is for another task.
    """
    check_metric(given.get(METRIC), task)
    return load_config(PREFIX + RECIPES[task], given, origin=origin)


def stem_of(path: Path) -> str:
    """Return the name of a table without its extensions, as ``sales`` for ``sales.csv.gz``."""
    return path.name.split(".")[0] or path.name
