"""The figures of a training as NumPy arrays, and as the files that a run folder keeps."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xpmlp.nn import Metric
from xpmlp.training.run import EpochRow, Run


def columns(metric: Metric) -> list[str]:
    """The columns of ``epochs.csv``: the metric names those of its values, as ``train_accuracy``."""
    return ["run", *(name.replace("value", metric) for name in EpochRow._fields)]


@dataclass(frozen=True)
class History:
    """What happened in each epoch and batch.

    Attributes
    ----------
    run, epoch : (rows,) int64
        Which run, from 0, and which of its epochs, from 1, a row is about.
    train_loss, train_value : (rows,)
        Means over the epoch's examples, each as its batch met it during training.
    validation_loss, validation_value : (rows,)
        After the epoch; NaN where nothing is held out.
    learning_rate : (rows,)
    batch_losses : (steps,) for one run, (steps, runs) for several
        The mean loss of each batch, before its update; NaN after a run's end.
    metric : "accuracy" or "r2"
        What the values are.
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
        table = list(zip(*rows, strict=True)) or [()] * (1 + len(EpochRow._fields))
        run, epoch = (np.array(column, dtype=np.int64) for column in table[:2])
        losses, values, validation_losses, validation_values, rates = (
            np.array(column, dtype=np.float64) for column in table[2:]
        )
        batches = _side_by_side([one.losses for one in runs])
        metric = runs[0].metric if runs else "accuracy"
        return cls(run, epoch, losses, values, validation_losses, validation_values, rates, batches, metric)


def _side_by_side(losses: list[npt.NDArray[np.floating]]) -> npt.NDArray[np.floating]:
    """One run's losses as they are; several runs' in columns, the shorter ones filled up with NaN."""
    if not losses:
        return np.empty(0)
    if len(losses) == 1:
        return losses[0]
    table = np.full((max(map(len, losses)), len(losses)), np.nan, dtype=losses[0].dtype)
    for column, series in enumerate(losses):
        table[: len(series), column] = series
    return table


def epochs_csv(runs: Sequence[Run], numbers: Sequence[int] | None = None) -> str:
    """The text of ``epochs.csv``: numbers in full precision, an empty cell where there is no figure.

    Parameters
    ----------
    runs : sequence of Run
    numbers : sequence of int, optional
        What to call them in the column ``run``; 0, 1, ... where not given.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns(runs[0].metric))
    for number, run in zip(numbers or range(len(runs)), runs, strict=True):
        writer.writerows((number, *row) for row in run.epochs)
    return text.getvalue()


def train_after_csv(runs: Sequence[Run], numbers: Sequence[int] | None = None) -> str | None:
    """The text of ``train_after.csv``: the training examples' figures after each epoch; ``None`` if none were taken.

    Parameters
    ----------
    runs, numbers
        As in `epochs_csv`.
    """
    if not any(run.train_scores for run in runs):
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("run", "epoch", "train_loss", f"train_{runs[0].metric}"))
    for number, run in zip(numbers or range(len(runs)), runs, strict=True):
        writer.writerows((number, epoch, *score) for epoch, score in enumerate(run.train_scores, start=1))
    return text.getvalue()


def batch_losses_npy(losses: npt.NDArray[np.floating]) -> bytes:
    """The content of ``batch_losses.npy``."""
    content = io.BytesIO()
    np.save(content, losses, allow_pickle=False)
    return content.getvalue()
