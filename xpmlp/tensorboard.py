"""TensorBoard event files of a run's curves, written from the numbers in its folder."""

from __future__ import annotations

import csv
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np

from xpmlp._optional import Library
from xpmlp.errors import RunFolderError

TENSORBOARDX = Library("tensorboardX", "tensorboardX", "'xpmlp[tensorboard]'")

FOLDER = "tensorboard"
"""The event files' folder within a run folder; `tensorboard --logdir` takes it, or a folder of run folders."""

LONGEST = 1000
"""Maximum number of points of the curve of batch losses, each the mean of consecutive steps."""

_TAGS = {
    "train_loss": "loss/train",
    "validation_loss": "loss/validation",
    "train_accuracy": "accuracy/train",
    "validation_accuracy": "accuracy/validation",
    "train_r2": "r2/train",
    "validation_r2": "r2/validation",
    "learning_rate": "learning_rate",
}


def check_installed() -> None:
    """Check before training that the writer of event files is installed.

    Raises
    ------
    BackendError
        If the writer of event files is not installed or broken.
    """
    with TENSORBOARDX.needed_by("output.tensorboard = true"):
        from tensorboardX import SummaryWriter  # noqa: F401


def write_events(folder: Path) -> Path:
    """Write the figures of ``epochs.csv`` and ``batch_losses.npy`` as event files, one line a run.

    Parameters
    ----------
    folder : Path
        A run folder, of one run or of a grid.

    Returns
    -------
    Path
        The folder with the event files, with a folder for each run of a grid.  Files of an earlier training there are
        removed.

    Raises
    ------
    RunFolderError
        If the numbers are missing or damaged.
    OSError
        If the folder cannot be written to, or the disk is full.
    """
    from tensorboardX import SummaryWriter

    rows, losses = _read(folder)
    remove_events(folder)
    target = folder / FOLDER
    by_run: dict[int, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        by_run[int(row["run"])].append(row)
    numbers = sorted(by_run) or [0]
    for column, number in enumerate(numbers):
        name = target if len(numbers) == 1 else target / f"run-{number}"
        with SummaryWriter(str(name)) as writer:
            for row in by_run[number]:
                for key, tag in _TAGS.items():
                    if row.get(key):
                        writer.add_scalar(tag, float(row[key]), int(row["epoch"]))
            if column < losses.shape[1]:
                for step, loss in _thinned(losses[:, column]):
                    writer.add_scalar("loss/batch", loss, step)
    return target


def remove_events(folder: Path) -> None:
    """Remove the event files of a run folder; nothing else is touched."""
    target = folder / FOLDER
    for place in (*target.glob("run-*"), target):
        for path in place.glob("events.out.tfevents.*"):
            path.unlink()
        with suppress(OSError):  # missing, or with other content
            place.rmdir()


def _read(folder: Path) -> tuple[list[dict[str, str]], np.ndarray[tuple[int, int], np.dtype[np.floating]]]:
    """Read the rows of ``epochs.csv`` and the batch losses (steps, runs)."""
    try:
        with (folder / "epochs.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        losses = np.load(folder / "batch_losses.npy", allow_pickle=False)
        return rows, losses.reshape(len(losses), -1)
    except (OSError, ValueError, csv.Error) as error:
        raise RunFolderError(f"the numbers in {folder} cannot be read: {error}.") from error


def _thinned(losses: np.ndarray[tuple[int], np.dtype[np.floating]]) -> list[tuple[int, float]]:
    """Compute at most `LONGEST` points (step, mean loss of the steps up to it), without the NaN after a run's end."""
    finite = losses[np.isfinite(losses)]
    width = -(-len(finite) // LONGEST) or 1
    return [
        (min(start + width, len(finite)), float(finite[start : start + width].mean()))
        for start in range(0, len(finite), width)
    ]
