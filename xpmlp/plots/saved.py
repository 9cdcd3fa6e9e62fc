"""The saved numbers that the figures are drawn from."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.errors import RunFolderError

FloatArray = npt.NDArray[np.float64]

LARGEST = 1e60  # a larger figure is drawn as this one, so that sums and squares of figures are finite


class Facts(NamedTuple):
    """What ``run.json`` adds to the numbers, as far as it is known."""

    name: str
    steps_per_epoch: int | None = None
    batch_size: int | None = None


class Epochs(NamedTuple):
    """The columns of ``epochs.csv`` that are drawn, each (epochs, runs), with NaN where there is no figure."""

    train_loss: FloatArray
    train_accuracy: FloatArray
    validation_loss: FloatArray
    validation_accuracy: FloatArray


def read_facts(folder: Path) -> Facts:
    """What ``run.json`` says; without that file, only the folder's name.

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
        return Facts(str(record.get("name", folder.name)), record.get("steps_per_epoch"), record.get("batch_size"))
    except (ValueError, AttributeError) as error:
        raise _damaged(path, error) from error


def read_epochs(folder: Path) -> Epochs:
    """The figures of every finished epoch.

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
        if lacking := {"run", "epoch", *Epochs._fields} - set(reader.fieldnames or ()):
            raise _damaged(path, f"without the columns {', '.join(sorted(lacking))}")
        places = [(int(row["epoch"]) - 1, int(row["run"])) for row in rows]
        shape = tuple(np.max(places, axis=0) + 1) if places else (0, 1)
        epochs = Epochs(*(np.full(shape, np.nan) for _ in Epochs._fields))
        for name, values in epochs._asdict().items():
            for place, row in zip(places, rows, strict=True):
                values[place] = float("nan" if row[name] == "" else row[name])
            _bound(values)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (TypeError, ValueError, csv.Error) as error:
        raise _damaged(path, error) from error
    return epochs


def read_losses(folder: Path) -> FloatArray:
    """The loss of every batch, (steps, runs), with NaN where a run had ended.

    Raises
    ------
    RunFolderError
        If ``batch_losses.npy`` is missing or damaged.
    """
    path = folder / "batch_losses.npy"
    try:
        losses: FloatArray = np.load(path, allow_pickle=False).astype(np.float64)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (ValueError, EOFError) as error:
        raise _damaged(path, error) from error
    if losses.ndim not in (1, 2):
        raise _damaged(path, f"of the shape {losses.shape} instead of (steps,) or (steps, runs)")
    _bound(losses)
    return losses[:, np.newaxis] if losses.ndim == 1 else losses


def _bound(values: FloatArray) -> None:
    """Bring finite values down to ``LARGEST``, in place."""
    values[np.isfinite(values) & (values > LARGEST)] = LARGEST


def _missing(path: Path) -> RunFolderError:
    return RunFolderError(f"{path.parent} holds no {path.name}: name the folder of a run, such as runs/quickstart")


def _damaged(path: Path, reason: object) -> RunFolderError:
    return RunFolderError(f"{path} is damaged ({reason}): train again to get a whole one")
