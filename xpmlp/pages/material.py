"""The material of a page: a run, its network, and the network's predictions for rows of its data."""

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
from pydantic import BaseModel, FiniteFloat, NonNegativeInt, ValidationError

from xpmlp.backend import DTypeName, resolve
from xpmlp.config import Config
from xpmlp.data import Dataset, Part
from xpmlp.data.source import check_source
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
    """Part of a data set, and the network's predictions for it.

    Attributes
    ----------
    dataset : Dataset
    part : Part
        With targets in the network's encoding.
    split : str
    outputs : (n, n_outputs) float64
        Probabilities, or values in the network's own scale.
    losses : (n,) float64
        Loss of each example.
    scores : (n,) float64
        1 if all decisions are right, else 0; for values each example's contribution to R².
    """

    dataset: Dataset
    part: Part
    split: str
    outputs: Floats
    losses: Floats
    scores: Floats

    @property
    def weights(self) -> Floats:
        """The weights of the examples, (n,)."""
        given = self.part.weights
        return np.ones(len(self.part)) if given is None else np.asarray(given, dtype=np.float64)


@dataclass(frozen=True)
class Material:
    """Material for a page.

    Attributes
    ----------
    folder : Path
    config : Config
    saved : SavedNetwork
    facts : dict
        ``run.json``.
    rows : Rows, optional
    absent : str
        Reason why there are no rows; empty if there are.
    shown : int
        Number of rows of a table that may be shown.
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
        """The encoding of the network's training table; ``None`` for other data."""
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
        """Convert values (n, n_outputs) to the units of the data."""
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
    """Read a run, and its data if available and unchanged.

    If the rows cannot be read, the reason is recorded in ``absent``.  If ``strict``, the error is raised instead when
    ``data`` or ``split`` is given, or when it is not a `DataError`, a `ConfigError` or an `OSError`.

    Raises
    ------
    RunFolderError, ConfigError
        As `xpmlp.storage.run_folder.read` and `read_facts`.
    XpmlpError, OSError
        If ``strict``, as above.
    """
    overrides: dict[str, Any] = {} if data is None else {"data.path": str(data)}
    config, saved = run_folder.read(run_dir, run, overrides, allow_code=allow_code)
    folder = run_dir if run is None else run_folder.member_folder(run_dir, run)
    facts = read_facts(folder)
    rows, absent = None, ""
    try:
        if config.data.path is not None and not config.data.path.is_dir():
            advice = "say where it is with --data FILE" if strict else ""
            check_source(config.data.path, pipes=True, advice=advice)
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


class _Data(BaseModel):
    sha256: dict[str, str] = {}


class _Seconds(BaseModel):
    training: FiniteFloat | None = None


class _Facts(BaseModel):
    """The entries of ``run.json`` of which pages need the types."""

    data: _Data = _Data()
    versions: dict[str, Any] = {}
    seconds: _Seconds = _Seconds()
    run: NonNegativeInt = 0


def read_facts(folder: Path) -> dict[str, Any]:
    """Read a run's ``run.json``.

    Raises
    ------
    RunFolderError
        If it cannot be read, or is damaged.
    """
    try:
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{folder / 'run.json'} cannot be read: {error}.") from None
    try:
        _Facts.model_validate(facts)
    except ValidationError:
        raise RunFolderError(f"{folder / 'run.json'} is damaged: train again to get a whole one.") from None
    whole: dict[str, Any] = facts
    return whole


def _looked_at(saved: SavedNetwork, dataset: Dataset, part: Part, split: str) -> Rows:
    loss = saved.network.loss.evaluated_as or saved.network.loss
    outputs = _predicted(saved, np.asarray(part.features), part.codes)
    return Rows(dataset, part, split, outputs, example_losses(loss, outputs, part), example_scores(loss, outputs, part))


def _predicted(
    saved: SavedNetwork, features: npt.NDArray[Any], codes: npt.NDArray[Any] | None, dtype: DTypeName = "float64"
) -> Floats:
    backend = resolve("numpy", None, dtype, fused=False, threads=1).backend  # layers are narrow, so threads do not pay
    with backend.session(BATCH):
        outputs = Inference(saved.network, backend).predict(backend.parameters(saved.parameters), features, codes)
    return outputs.astype(np.float64)


def example_losses(loss: Any, outputs: Floats, part: Part) -> Floats:
    """Compute the loss of each prediction (n,).

    It is the negative logarithm of the probability of the true class, or for flags the sum of these; for values it is
    the mean squared error over the targets.
    """
    targets, tiny = np.asarray(part.targets), np.finfo(np.float64).tiny
    if loss.of_classes and loss.out_activation == "softmax":
        right = outputs[np.arange(len(targets)), targets]
        return np.asarray(-np.log(np.maximum(right, tiny)))
    wanted = targets.reshape(len(targets), -1).astype(np.float64)
    if loss.out_activation == "logistic":
        right = np.where(wanted > 0.5, outputs, 1 - outputs)
        return np.asarray(-np.log(np.maximum(right, tiny)).sum(axis=1))
    return np.asarray(((loss.decide_prediction(OPS, outputs) - wanted) ** 2).mean(axis=1))


def example_scores(loss: Any, outputs: Floats, part: Part) -> Floats:
    """Compute the score of each prediction (n,), with the accuracy or R² as their mean."""
    decided = loss.decide_prediction(OPS, outputs)
    targets = np.asarray(part.targets)
    if not loss.of_classes:
        targets = targets.reshape(len(targets), -1)
    precision = inverse_variance_of(part, 1 if targets.ndim == 1 else targets.shape[1])
    return np.asarray(loss.score(OPS, decided, targets, precision), dtype=np.float64)


FEWEST = 10
"""Minimum number of training rows for naming a category on a page."""


def seen(material: Material) -> Mapping[str, Mapping[str, int]]:
    """Count the training rows of each category, by column; empty without the rows."""
    table, rows = material.table, material.rows
    if table is None or rows is None or rows.dataset.train.codes is None:
        return {}
    counts, coded = {}, [one for one in table.encoding.columns if one.has_codes]
    for one, codes in zip(coded, rows.dataset.train.codes.T, strict=True):
        found = np.bincount(codes, minlength=one.code_count)
        counts[one.column.name] = {level: int(found[2 + code]) for code, level in enumerate(one.levels)}
    return counts
