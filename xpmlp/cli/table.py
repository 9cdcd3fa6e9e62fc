"""``xpmlp train TABLE``: the config built from the options, and the score compared with two baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp.cli.options import ORIGIN, overriding, split_names, target_names
from xpmlp.config import Config, load_config
from xpmlp.config.load import METRIC
from xpmlp.config.metrics import task_of
from xpmlp.config.table import stem_of, table_config
from xpmlp.data import Dataset
from xpmlp.data.labels import MISSING
from xpmlp.data.messages import listed
from xpmlp.data.table_options import Given
from xpmlp.errors import ConfigError
from xpmlp.storage import run_folder
from xpmlp.training import Result

FROM_RATE = 0.1
"""The learning rate for continuing a network with new rows, as a fraction of its config's."""

OF_THE_RUN = ("target", "features", "drop", "types", "task", "log_target")
"""The keys of ``[data]`` that new rows take from the run to continue."""


def is_table(path: Path) -> bool:
    """Whether an argument of ``xpmlp train`` is a table rather than a config."""
    return path.suffix.lower() != ".toml" and not str(path).startswith("xpmlp:")


def overrides_of(options: Mapping[str, Any], overrides: list[str] | None) -> dict[str, Any]:
    """Convert the command's options to values by dotted key, with those of ``--set`` last."""
    given = {name: value for name, value in options.items() if value is not None}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("features", "drop"):
            values[f"data.{name}"] = split_names(value)
        elif name == "types":
            from xpmlp.data.tables.columns import type_pairs

            values["data.types"] = type_pairs(value)
        elif name == "target":
            values["data.target"] = target_names(value)
        elif name == "test":
            values |= {"data.test_fraction": 0.0} if value == "0" else {"data.test": value}
        elif name in ("class_weight", "metric"):
            values[f"train.{name}"] = value
        else:
            values[f"data.{name}"] = str(value) if isinstance(value, Path) else value
    return values | overriding(overrides)


def config_of(path: Path, values: dict[str, Any]) -> Config:
    """Load a config file, or build the config for training on a table by the recipe for its target's task.

    Raises
    ------
    ConfigError
        If no target is named, or a value is invalid.
    DataError
        If the table cannot be read, or has no such target.
    """
    if not is_table(path):
        return load_config(path, values, origin=ORIGIN)
    from xpmlp.data.tables import read_table
    from xpmlp.data.tables.targets import find_targets, read_targets

    if "data.target" not in values:
        raise ConfigError(
            f"{path}: which column is to be predicted? Say it with --target, of {listed(_names(path, values))}."
        )
    task = values.get("data.task", "auto")
    if task == "auto" and (meant := task_of(values.get(METRIC))) != "auto":
        task = values["data.task"] = meant
    if task == "auto":
        table = read_table(path, _given(values))
        targets = find_targets(table.data.columns, values["data.target"], str(path))
        missing = values.get("data.missing", MISSING)
        task = read_targets(table.data, targets, "auto", missing, table.decimal, str(path)).task
    return table_config(path, task, values, origin=ORIGIN)


def going_on_config(run_dir: Path, path: Path, values: dict[str, Any]) -> tuple[Config, str]:
    """Load a run's config for new rows, with a lower learning rate; return it and a sentence about it.

    Raises
    ------
    ConfigError
        If there are several runs, or a value is invalid or would read the new rows in another way than the run's.
    """
    before = load_config(run_dir / "config.toml")
    if members := run_folder.runs_in(run_dir):
        raise ConfigError(
            f"{run_dir} holds {len(members)} runs: name one of them, such as {next(iter(members.values()))}."
        )
    rate = before.train.learning_rate * FROM_RATE
    given = {"data.path": str(path.absolute()), "train.learning_rate": rate, **values}
    config = load_config(run_dir / "config.toml", given, origin=ORIGIN).named(stem_of(path))
    for key in OF_THE_RUN:
        if getattr(config.data, key) != getattr(before.data, key):
            raise ConfigError(f"--from reads rows as the run in {run_dir} did: leave data.{key} out.")
    said = f"continuing from {run_dir} with the learning rate {config.train.learning_rate:g}"
    return config, f"{said}, a tenth of its own" if "train.learning_rate" not in values else said


def out_of_fold_score(result: Result, dataset: Dataset) -> float:
    """Compute the accuracy or R² of the members' predictions for the training rows they left out."""
    from xpmlp.pages.material import example_scores

    assert result.out_of_fold is not None
    told = np.isfinite(result.out_of_fold).all(axis=1)  # not for a fold whose members have all diverged
    part = dataset.train[np.flatnonzero(told)]
    scores = example_scores(result.network.loss, result.out_of_fold[told], part)
    return float(np.average(scores, weights=part.weights))


def free_scores(dataset: Dataset, score: float, folds: npt.NDArray[np.int64] | None = None) -> Iterator[str]:
    """Compare the score on held-out rows, of a part or of folds (n,), with the two baselines."""
    from xpmlp.data.tables.baselines import baselines

    part, name = (dataset.test, "test") if dataset.test is not None else (dataset.validation, "validation")
    if folds is not None:
        part, name = dataset.train, "out-of-fold"
    if part is None:
        return
    constant, linear = baselines(dataset, part, folds)
    metric, what = ("accuracy", "the commonest class") if dataset.n_classes else ("R\u00b2", "the mean")
    yield f"{name} {metric} beside: {score:.4f} this network, {linear:.4f} a linear model, {constant:.4f} {what} always"


def _names(path: Path, values: dict[str, Any]) -> list[str]:
    from xpmlp.data.tables import read_batches

    _, batches = read_batches(path, _given(values))
    return next(batches).columns


def _given(values: Mapping[str, Any]) -> Given:
    return Given(**{name: values.get(f"data.{name}") for name in Given._fields})
