"""The config of `xpmlp train TABLE`: a recipe, and what the command says of the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xpmlp.config.explain import explain
from xpmlp.config.load import load_config
from xpmlp.config.model import Config
from xpmlp.config.shipped import PREFIX, shipped_config
from xpmlp.errors import ConfigError

RECIPES = {"classes": "table.toml", "values": "table-values.toml"}
"""The shipped configs by task."""

_HIDDEN = [
    {"kind": "dense", "units": 256, "init": "he_uniform"},
    {"kind": "activation", "name": "relu"},
    {"kind": "dropout", "rate": 0.2},
]

_PLAIN = {
    "model.layers": [
        {"kind": "beside", "layers": [{"kind": "categories"}, {"kind": "scaling"}]},
        *_HIDDEN,
        *_HIDDEN,
    ],
    "train.epochs": 200,
    "train.batch_size": 256,
    "train.optimizer": "adamw",
    "train.learning_rate": 0.001,
    "train.weight_decay": 0.01,
    "train.patience": 16,
}
"""The recipe where none is shipped."""


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
    try:
        shipped_config(RECIPES[task])
    except ConfigError:
        config = _of_values({**_PLAIN, **given})
    else:
        config = load_config(PREFIX + RECIPES[task], given)
    return config.named(stem_of(path))


def stem_of(path: Path) -> str:
    """The name of a table without its endings, as ``sales`` of ``sales.csv.gz``."""
    return path.name.split(".")[0] or path.name


def _of_values(values: Mapping[str, Any]) -> Config:
    tables: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        tables.setdefault(section, {})[name] = value
    try:
        return Config.model_validate(tables)
    except ValidationError as error:
        raise ConfigError(explain(error.errors(include_url=False), lambda location: "--set ")) from None
