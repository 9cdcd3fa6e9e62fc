"""Reading of a run folder's numbers for figures: ``run.json``, ``epochs.csv``, ``batch_losses.npy``."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.config import GRID_AXES
from xpmlp.data.numpy_file import read_npy
from xpmlp.errors import DataError, RunFolderError
from xpmlp.nn import Metric, losses

FloatArray = npt.NDArray[np.float64]

LARGEST = 1e60  # a larger figure is drawn as this one, so that sums and squares of figures are finite


class Combination(NamedTuple):
    """Runs of a grid that differ only in their seeds.

    Attributes
    ----------
    label : str
        Their values on the grid's axes.
    runs : list of int
        Their numbers in ``epochs.csv``.
    columns : list of int
        Their columns in ``batch_losses.npy``.
    """

    label: str
    runs: list[int]
    columns: list[int]


def of_runs(values: FloatArray, runs: Sequence[int]) -> FloatArray:
    """Return the columns of some runs, (..., runs); NaN for runs missing from the file, e.g. one ended in epoch 1."""
    missing = max(runs) + 1 - values.shape[1]
    return np.pad(values, ((0, 0), (0, max(missing, 0))), constant_values=np.nan)[:, runs]


class Facts(NamedTuple):
    """Facts from ``run.json`` on the numbers, as far as known.

    Attributes
    ----------
    name : str
    steps_per_epoch, batch_size : int, optional
    loss : str
    combinations : tuple of Combination
        Combinations of a grid with several.
    kept : int, optional
        The epoch of the saved weights, if that was the best one.
    """

    name: str
    steps_per_epoch: int | None = None
    batch_size: int | None = None
    loss: str = "cross_entropy"
    combinations: tuple[Combination, ...] = ()
    kept: int | None = None

    @property
    def loss_title(self) -> str:
        """The title of the axis of losses."""
        return losses[self.loss].title if self.loss in losses else "loss"


class Epochs(NamedTuple):
    """Columns of ``epochs.csv`` for drawing, each (epochs, runs), with NaN for missing figures.

    The values are of ``metric``.
    """

    train_loss: FloatArray
    train_value: FloatArray
    validation_loss: FloatArray
    validation_value: FloatArray
    metric: Metric


def read_facts(folder: Path) -> Facts:
    """Read the facts in ``run.json``; without that file, return only the folder's name.

    Raises
    ------
    RunFolderError
        If the file is damaged.
    """
    path = folder / "run.json"
    if not path.exists():
        return Facts(folder.name)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Facts(
            str(record.get("name", folder.name)),
            record.get("steps_per_epoch"),
            record.get("batch_size"),
            str(record.get("loss", "cross_entropy")),
            _combinations(record.get("runs", ())),
            (record.get("best") or {}).get("epoch"),
        )
    except (ValueError, AttributeError, RecursionError, TypeError, KeyError) as error:
        raise _damaged(path, error) from error


def _combinations(runs: Sequence[Mapping[str, Any]]) -> tuple[Combination, ...]:
    """Return the combinations of a grid's values; none if all runs have the same."""
    axes = [axis for axis in GRID_AXES if len({repr(run.get(axis)) for run in runs}) > 1]
    found: dict[str, Combination] = {}
    for column, run in enumerate(runs):
        label = ", ".join(f"{axis.replace('_', ' ')} {_short(run[axis])}" for axis in axes)
        runs_of, columns = found.setdefault(label, Combination(label, [], []))[1:]
        runs_of.append(int(run["run"]))
        columns.append(column)
    return tuple(found.values()) if axes else ()


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_epochs(folder: Path) -> Epochs:
    """Read the figures of every finished epoch.

    Raises
    ------
    RunFolderError
        If ``epochs.csv`` is missing or damaged.
    """
    path = folder / "epochs.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
        found = set(reader.fieldnames or ())
        metric: Metric = "r2" if "train_r2" in found else "accuracy"
        columns = [name.replace("value", metric) for name in Epochs._fields[:4]]
        if lacking := {"run", "epoch", *columns} - found:
            raise _damaged(path, f"without the columns {', '.join(sorted(lacking))}")
        places = [(int(row["epoch"]) - 1, int(row["run"])) for row in rows]
        shape = tuple(np.max(places, axis=0) + 1) if places else (0, 1)
        series = [np.full(shape, np.nan) for _ in columns]
        for name, values in zip(columns, series, strict=True):
            for place, row in zip(places, rows, strict=True):
                values[place] = float("nan" if row[name] == "" else row[name])
            _bound(values)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (TypeError, ValueError, csv.Error) as error:
        raise _damaged(path, error) from error
    train_loss, train_value, validation_loss, validation_value = series
    return Epochs(train_loss, train_value, validation_loss, validation_value, metric)


def read_losses(folder: Path) -> FloatArray:
    """Read the loss of every batch, (steps, runs), with NaN after the end of a run.

    Raises
    ------
    RunFolderError
        If ``batch_losses.npy`` is missing or damaged.
    """
    path = folder / "batch_losses.npy"
    if not path.exists():
        raise _missing(path)
    try:
        values: FloatArray = read_npy(path).astype(np.float64)
    except (DataError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error
    if values.ndim not in (1, 2):
        raise _damaged(path, f"of the shape {values.shape} instead of (steps,) or (steps, runs)")
    _bound(values)
    return values[:, np.newaxis] if values.ndim == 1 else values


def _bound(values: FloatArray) -> None:
    """Clip finite values to plus or minus ``LARGEST``, in place."""
    finite = np.isfinite(values)
    values[finite] = np.clip(values[finite], -LARGEST, LARGEST)


def _missing(path: Path) -> RunFolderError:
    return RunFolderError(f"{path.parent} holds no {path.name}: name the folder of a run, such as runs/quickstart")


def _damaged(path: Path, reason: object) -> RunFolderError:
    return RunFolderError(f"{path} is damaged ({reason}): train again to get a whole one")
