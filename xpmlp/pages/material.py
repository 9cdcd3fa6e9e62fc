"""The material of a page: a run, its network, and what the network says to rows that it can be tried on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import numpy as numpy_namespace

from xpmlp.backend import DTypeName, resolve
from xpmlp.config import Config
from xpmlp.data import Dataset, Part
from xpmlp.data.tables import TableModel
from xpmlp.errors import ConfigError, DataError, RunFolderError, XpmlpError
from xpmlp.nn import pure_ops
from xpmlp.storage import SavedNetwork, run_folder
from xpmlp.training.evaluation import data_for, part_for
from xpmlp.training.inference import BATCH, Inference, inverse_variance_of
from xpmlp.training.table_prediction import table_model

OPS = pure_ops(numpy_namespace)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """A part of a data set, and the network's predictions for it.

    Attributes
    ----------
    dataset : Dataset
    part : Part
        With targets as the network has them.
    split : str
    outputs : (n, n_outputs) float64
        Probabilities, or values in the network's own scale.
    losses : (n,) float64
        Of each example.
    scores : (n,) float64
        1 where all decisions are right, else 0; of values each example's part in R².
    """

    dataset: Dataset
    part: Part
    split: str
    outputs: Floats
    losses: Floats
    scores: Floats

    @property
    def weights(self) -> Floats:
        """How much each example counts, (n,)."""
        given = self.part.weights
        return np.ones(len(self.part)) if given is None else np.asarray(given, dtype=np.float64)


@dataclass(frozen=True)
class Material:
    """Everything that a page is made of.

    Attributes
    ----------
    folder : Path
    config : Config
    saved : SavedNetwork
    facts : dict
        ``run.json``.
    rows : Rows, optional
    absent : str
        Why there are no rows, or what is to be said of them.
    shown : int
        Rows of a table that may be shown.
    """

    folder: Path
    config: Config
    saved: SavedNetwork
    facts: dict[str, Any]
    rows: Rows | None
    absent: str
    shown: int

    @cached_property
    def table(self) -> TableModel | None:
        """The encoding of the table that the network was trained on."""
        return table_model(self.saved)

    @property
    def classes(self) -> list[str]:
        """The labels of the classes; empty for values."""
        return [str(label) for label in self.saved.classes.tolist()]

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.facts.get("name", self.folder.name))

    def unscaled(self, values: Floats) -> Floats:
        """Values (n, n_outputs) in the units of the data."""
        return values if self.table is None else self.table.target.unscaled(values)

    def predict(self, features: npt.NDArray[Any], codes: npt.NDArray[Any] | None) -> Floats:
        """Predict for many preprocessed rows, in float32."""
        return _predicted(self.saved, features, codes, "float32")


def read_material(
    run_dir: Path,
    split: str | None = None,
    data: Path | None = None,
    run: str | int | None = None,
    shown: int = 0,
    *,
    allow_code: bool = False,
    strict: bool = True,
) -> Material:
    """Read a run, and its data if they are still there and the same; ``strict``: or fail, if some were asked for."""
    overrides: dict[str, Any] = {} if data is None else {"data.path": str(data)}
    config, saved = run_folder.read(run_dir, run, overrides, allow_code=allow_code)
    folder = run_dir if run is None else run_folder.member_folder(run_dir, run)
    facts = read_facts(folder)
    rows, absent = None, ""
    try:
        dataset = data_for(config, saved)
        if split is None and dataset.validation is None and dataset.test is None:
            raise DataError("no rows were held out; --split train looks at those of the training.")
        part, name = part_for(config, saved, dataset, split, run_dir)
        recorded = sorted(facts.get("data", {}).get("sha256", {}).values())
        if data is None and recorded != sorted(dataset.hashes.values()):
            absent = f"the data of {config.data.path or config.data.name} are not those of the training any more"
        else:
            train, _ = part_for(config, saved, dataset, "train", run_dir)
            rows = _looked_at(saved, replace(dataset, classes=saved.classes, train=train), part, name)
    except (XpmlpError, OSError) as error:
        if strict and (
            data is not None or split is not None or not isinstance(error, DataError | ConfigError | OSError)
        ):
            raise
        absent = str(error)
    return Material(folder, config, saved, facts, rows, absent, shown)


def read_facts(folder: Path) -> dict[str, Any]:
    """Read a run's ``run.json``."""
    try:
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{folder / 'run.json'} cannot be read: {error}.") from None
    if not isinstance(facts, dict):
        raise RunFolderError(f"{folder / 'run.json'} is damaged: train again to get a whole one.")
    return facts


def _looked_at(saved: SavedNetwork, dataset: Dataset, part: Part, split: str) -> Rows:
    loss = saved.network.loss.evaluated_as or saved.network.loss
    outputs = _predicted(saved, np.asarray(part.features), part.codes)
    return Rows(dataset, part, split, outputs, example_losses(loss, outputs, part), example_scores(loss, outputs, part))


def _predicted(
    saved: SavedNetwork, features: npt.NDArray[Any], codes: npt.NDArray[Any] | None, dtype: DTypeName = "float64"
) -> Floats:
    backend = resolve("numpy", None, dtype, fused=False, threads=1).backend  # layers are narrow, threads would wait
    with backend.session(BATCH):
        outputs = Inference(saved.network, backend).predict(backend.parameters(saved.parameters), features, codes)
    return outputs.astype(np.float64)


def example_losses(loss: Any, outputs: Floats, part: Part) -> Floats:
    """The loss of each prediction (n,): of probabilities their negative logarithm, of values the square."""
    targets, tiny = np.asarray(part.targets), np.finfo(np.float64).tiny
    if loss.of_classes and loss.out_activation == "softmax":
        right = outputs[np.arange(len(targets)), targets]
        return np.asarray(-np.log(np.maximum(right, tiny)))
    wanted = targets.reshape(len(targets), -1).astype(np.float64)
    if loss.out_activation == "logistic":
        right = np.where(wanted > 0.5, outputs, 1 - outputs)
        return np.asarray(-np.log(np.maximum(right, tiny)).sum(axis=1))
    times = outputs.shape[1] // wanted.shape[1]
    return np.asarray(((outputs[:, times // 2 :: times] - wanted) ** 2).mean(axis=1))


def example_scores(loss: Any, outputs: Floats, part: Part) -> Floats:
    """The score of each prediction (n,), whose mean is the accuracy or R²."""
    decided = loss.decide_prediction(OPS, outputs)
    targets = np.asarray(part.targets)
    if not loss.of_classes:
        targets = targets.reshape(len(targets), -1)
    precision = inverse_variance_of(part, 1 if targets.ndim == 1 else targets.shape[1])
    return np.asarray(loss.score(OPS, decided, targets, precision), dtype=np.float64)


FEWEST = 10
"""A category that fewer training rows have is not named on a page."""


def seen(material: Material) -> Mapping[str, Mapping[str, int]]:
    """How often each category was seen in training, by column; nothing without the rows."""
    table, rows = material.table, material.rows
    if table is None or rows is None or rows.dataset.train.codes is None:
        return {}
    counts, place = {}, 0
    for one in table.encoding.columns:
        if one.has_codes:
            found = np.bincount(rows.dataset.train.codes[:, place], minlength=one.code_count)
            counts[one.column.name] = {level: int(found[2 + code]) for code, level in enumerate(one.levels)}
            place += 1
    return counts
