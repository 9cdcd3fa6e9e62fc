"""Records of ended runs: their figures as arrays, the files of a run folder, and the runs read back from these."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._csv import csv_text
from xpmlp._tree import map_leaves
from xpmlp._version import __version__
from xpmlp.config import Config, load_config
from xpmlp.data.numpy_file import read_npy
from xpmlp.errors import DataError, RunFolderError
from xpmlp.nn import Metric
from xpmlp.storage import SavedNetwork, load_network, run_folder
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.inference import Score
from xpmlp.training.intervals import Intervals
from xpmlp.training.run import EpochRow, Run, RunSettings, Status

_UNREADABLE = (
    *(OSError, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError),
    *(csv.Error, DataError),
)
"""Errors of json, csv and the reader of arrays on damaged files, and of lookups of missing keys."""


@dataclass(frozen=True)
class History:
    """Figures of each epoch and batch.

    Attributes
    ----------
    run, epoch : (rows,) int64
        The row's run, from 0, and the epoch of this run, from 1.
    train_loss, train_value : (rows,)
        Means over the epoch's examples, each at its batch's step during training.
    validation_loss, validation_value : (rows,)
        After the epoch; NaN if nothing is held out.
    learning_rate : (rows,)
    batch_losses : (steps,) for one run, (steps, runs) for several
        The mean loss of each batch, before its update; NaN after a run's end.
    metric : "accuracy" or "r2"
        Metric of the values.
    """

    run: npt.NDArray[np.int64]
    epoch: npt.NDArray[np.int64]
    train_loss: npt.NDArray[np.float64]
    train_value: npt.NDArray[np.float64]
    validation_loss: npt.NDArray[np.float64]
    validation_value: npt.NDArray[np.float64]
    learning_rate: npt.NDArray[np.float64]
    batch_losses: npt.NDArray[np.floating]
    metric: Metric

    @classmethod
    def of(cls, runs: Sequence[Run]) -> History:
        """Gather the records of runs."""
        rows = [(index, *row) for index, one in enumerate(runs) for row in one.epochs]
        columns = list(zip(*rows, strict=True)) or [()] * (1 + len(EpochRow._fields))
        run, epoch = (np.array(column, np.int64) for column in columns[:2])
        figures = dict(zip(EpochRow._fields[1:], (np.array(one, np.float64) for one in columns[2:]), strict=True))
        batch_losses, metric = _side_by_side([one.losses for one in runs]), runs[0].metric if runs else "accuracy"
        return cls(run, epoch, batch_losses=batch_losses, metric=metric, **figures)


def _side_by_side(losses: list[npt.NDArray[np.floating]]) -> npt.NDArray[np.floating]:
    """Return one run's losses unchanged, or several runs' in columns, the shorter ones padded with NaN."""
    if not losses:
        return np.empty(0)
    if len(losses) == 1:
        return losses[0]
    table = np.full((max(map(len, losses)), len(losses)), np.nan, dtype=losses[0].dtype)
    for column, series in enumerate(losses):
        table[: len(series), column] = series
    return table


def files_of(runs: Sequence[Run], numbers: Sequence[int] | None = None) -> dict[str, str | bytes]:
    """Return the contents of a run folder's files with the figures of runs, by file name.

    ``epochs.csv`` has numbers in full precision, and empty cells for missing figures; ``train_after.csv``, with figures
    on the training examples after each epoch, is missing if they were not computed; ``batch_losses.npy`` has a column
    for each of several runs.

    Parameters
    ----------
    runs : sequence of Run
    numbers : sequence of int, optional
        Their numbers in the column ``run``, by default 0, 1, ...
    """
    metric, numbered = runs[0].metric, list(zip(numbers or range(len(runs)), runs, strict=True))
    header = ["run", *(name.replace("value", metric) for name in EpochRow._fields)]
    rows = [(number, *row) for number, run in numbered for row in run.epochs]
    files: dict[str, str | bytes] = {"epochs.csv": csv_text([header, *rows])}
    if any(run.train_scores for run in runs):
        scores = [(number, epoch, *one) for number, run in numbered for epoch, one in enumerate(run.train_scores, 1)]
        files["train_after.csv"] = csv_text([("run", "epoch", "train_loss", f"train_{metric}"), *scores])
    content = io.BytesIO()
    np.save(content, _side_by_side([run.losses for run in runs]), allow_pickle=False)
    return {**files, "batch_losses.npy": content.getvalue()}


def _finite(figures: dict[str, Any]) -> dict[str, Any]:
    """Replace infinities and NaN, not representable in JSON, by null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in figures.items()
    }


def run_facts(run: Run) -> dict[str, Any]:
    """Return the part of ``run.json`` about a run: its status, its settings and its final figures."""
    last = run.epochs[-1] if run.epochs else None
    facts: dict[str, Any] = {
        "status": str(run.status),
        **run.settings._asdict(),
        "epochs": len(run.epochs),
        "steps": run.steps,
        "final": None if last is None else _finite(last.named(run.metric)),
        "best": _finite(run.epochs[run.best_epoch - 1].named(run.metric)) if run.best_epoch else None,
        "test": None if run.test is None else _finite({"loss": run.test.loss, run.metric: run.test.value}),
    }
    if run.ended_at is not None:
        facts["diverged_at"] = {"epoch": run.ended_at[0], "step": run.ended_at[1]}
    return facts


@dataclass(frozen=True)
class Outcome:
    """Run that has ended, with its network.

    Attributes
    ----------
    config : Config
        Config for training this run alone again.
    run : Run
        Its record, without arrays on a device.
    network : SavedNetwork
    facts : dict
        Versions, machine, backend and data, for ``run.json``.
    """

    config: Config
    run: Run
    network: SavedNetwork
    facts: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write the run's config, network and figures into a folder, each file whole or not at all, ``run.json`` last.

        Raises
        ------
        RunFolderError
            If the disk is full or the folder cannot be written to.
        """
        facts = {"name": self.config.name, **self.facts, **run_facts(self.run)}
        files = {**files_of([self.run]), "run.json": json.dumps(facts, indent=2) + "\n"}
        run_folder.write(folder, self.config, files, self.network)


def outcome_of(
    trainable: ConfigTrainable, run: Run, loading: float, training: float, sections: dict[str, Any] | None = None
) -> Outcome:
    """Copy an ended run to the host, with the sections saved beside its network, by default from `sections_of`.

    ``loading`` and ``training`` are seconds: for reading the data set, and of the loop with its validation, of a block
    of stacked runs for all of them together.
    """
    return Outcome(
        run.settings.applied_to(trainable.config),
        replace(run, parameters=None, best_parameters=None),
        saved_network(trainable, run, sections_of(trainable) if sections is None else sections),
        _facts(trainable, run, loading, training),
    )


def sections_of(trainable: ConfigTrainable, intervals: Intervals | None = None) -> dict[str, Any]:
    """Return the sections saved beside the network of a trainable, of JSON's types."""
    table = trainable.dataset.table
    found: dict[str, Any] = {} if table is None else {"table": table.model_dump(mode="json")}
    for name, one in (("decision", trainable.decision), ("intervals", intervals)):
        if one is not None:
            found[name] = one.model_dump(mode="json", exclude_defaults=True)
    return found


def saved_network(trainable: ConfigTrainable, run: Run, sections: dict[str, Any] | None = None) -> SavedNetwork:
    """Copy the network of an ended run to the host, with everything needed for prediction."""
    dataset = trainable.dataset
    return SavedNetwork(
        map_leaves(trainable.backend.to_numpy, run.parameters),
        trainable.network,
        dataset.classes,
        dataset.preprocessing,
        dataset.feature_names,
        dataset.target_names,
        sections or None,
    )


def _facts(trainable: ConfigTrainable, run: Run, loading: float, training: float) -> dict[str, Any]:
    backend, config, dataset = trainable.backend, trainable.config, trainable.dataset
    steps = run.steps
    return {
        "versions": {
            "xpmlp": __version__,
            "python": platform.python_version(),
            backend.name: backend.version,
            "numpy": np.__version__,
        },
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "backend": {
            "name": backend.name,
            "version": backend.version,
            "device": backend.device_name,
            "dtype": backend.dtype_name,
            "fused": config.backend.fused,
            "threads": backend.threads,
        },
        "data": {
            "name": dataset.name,
            "train": len(dataset.train),
            "validation": None if dataset.validation is None else len(dataset.validation),
            "test": None if dataset.test is None else len(dataset.test),
            "sha256": dataset.hashes,
        },
        "layer_sizes": trainable.sizes,
        "batch_size": trainable.settings.batch_size,
        "loss": trainable.network.loss.name,
        "steps_per_epoch": trainable.steps_per_epoch,
        "seconds": {
            "data": round(loading, 3),
            "training": round(training, 3),
            "per_step": training / steps if steps else None,
        },
    }


def read_outcome(folder: Path) -> Outcome:
    """Read a run written by `Outcome.write`, bit for bit, except that the time is rounded.

    Raises
    ------
    RunFolderError, ConfigError
        If a file is missing or damaged.
    """
    try:
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        header, *rows = csv.reader((folder / "epochs.csv").read_text(encoding="utf-8").splitlines())
        losses = read_npy(folder / "batch_losses.npy")
        run = Run(
            RunSettings(*(facts[name] for name in RunSettings._fields)),
            metric=header[header.index("train_loss") + 1].removeprefix("train_"),  # type: ignore[arg-type]
            status=Status(facts["status"]),
            epochs=[_row(row) for row in rows],
            batch_losses=[losses] if len(losses) else [],
            train_scores=_train_scores(folder / "train_after.csv"),
        )
        if facts["best"] is not None:
            run.best_epoch = int(facts["best"]["epoch"])
            run.best_loss = run.epochs[run.best_epoch - 1].validation_loss or 0.0
        if "diverged_at" in facts:
            run.ended_at = (facts["diverged_at"]["epoch"], facts["diverged_at"]["step"])
        if facts["test"] is not None:
            run.test = Score(*(math.nan if figure is None else figure for figure in facts["test"].values()))
    except _UNREADABLE as error:
        raise RunFolderError(f"the run in {folder} cannot be read: {error}; begin anew with --overwrite.") from error
    described = {"name", *run_facts(run)}
    rest = {name: value for name, value in facts.items() if name not in described}
    return Outcome(load_config(folder / "config.toml"), run, load_network(folder / "weights.safetensors"), rest)


def _row(cells: list[str]) -> EpochRow:
    """Parse a line of ``epochs.csv``: the run's number, the epoch, and figures, with empty cells for missing ones."""
    figures: list[Any] = [float(cell) if cell else None for cell in cells[2:]]
    return EpochRow(int(cells[1]), *figures)


def _train_scores(path: Path) -> list[Score]:
    """Read the figures of ``train_after.csv``; return none if the file is missing."""
    if not path.exists():
        return []
    _, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    return [Score(float(loss), float(value)) for _, _, loss, value in rows]
