"""Conversion between snapshots and checkpoints, and the schedule of checkpoints.

A checkpoint has a description, of JSON's types, and arrays by name; both are checked when it is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Parameters
from xpmlp.config import Config, OutputConfig
from xpmlp.errors import RunFolderError
from xpmlp.nn import Metric
from xpmlp.storage import Checkpoint, CheckpointWriter, Damaged, run_folder
from xpmlp.storage.provenance import (
    KEY,
    Provenance,
    ResumePoint,
    as_resolved,
    check_config,
    differences,
    resume_point,
)
from xpmlp.storage.sealed import Tensors
from xpmlp.training.inference import Score
from xpmlp.training.run import EpochProgress, EpochRow, Reporter, Run, RunSettings, Status
from xpmlp.training.snapshot import WEIGHTS, Snapshot
from xpmlp.training.stack import runs_of
from xpmlp.training.step import TrainingState
from xpmlp.training.trainable import Trainable
from xpmlp.training.vote import with_folds_for

AUTO_SECONDS = 30
"""Minimum time between two checkpoints at ends of epochs."""

_ROWS: dict[str, tuple[int, TypeAdapter[Any]]] = {
    "epochs": (len(EpochRow._fields), TypeAdapter(list[EpochRow])),
    "train_scores": (len(Score._fields), TypeAdapter(list[Score])),
}
"""Fields of a run with a row for each epoch, and their widths: stored as arrays, since a million rows would exceed the
limit on a safetensors file's metadata."""

_PROGRESS = ("steps", "examples", "loss_sum", "value_sum")
"""Fields of `EpochProgress` by their names in files, where it is called ``under_way``."""

_TYPES: dict[str, TypeAdapter[Any]] = {
    "settings": TypeAdapter(RunSettings),
    "metric": TypeAdapter(Metric),
    "status": TypeAdapter(Status),
    "under_way": TypeAdapter(EpochProgress),
    "best_loss": TypeAdapter(float),
    "best_epoch": TypeAdapter(int),
    "ended_at": TypeAdapter(tuple[int, int] | None),
}
"""Other fields of a run by their names in files, except the batch losses, stored beside them, and the test score,
computed after the training."""


def encode(snapshot: Snapshot) -> tuple[dict[str, Any], Tensors]:
    """Convert a snapshot to the content of a checkpoint, except the losses of its batches.

    Returns
    -------
    description : dict
        Of JSON's types; floats survive the round trip bit for bit.
    tensors : dict of arrays
    """
    description = {
        "epoch": snapshot.epoch,
        "step": snapshot.steps_under_way,
        "seconds": snapshot.seconds,
        "runs": [_described(run) for run in snapshot.runs],
    }
    trees = {"state": snapshot.state} | {
        f"runs.{index}.{name}": getattr(run, name) for index, run in enumerate(snapshot.runs) for name in WEIGHTS
    }
    tensors = {name: leaf for prefix, tree in trees.items() for name, leaf in leaves(tree, prefix)}
    for index, run in enumerate(snapshot.runs):
        for name in _ROWS:
            tensors |= _rows_as_arrays(getattr(run, name), f"runs.{index}.{name}")
    return description, tensors


def decode(checkpoint: Checkpoint, trainable: Trainable) -> Snapshot:
    """Convert a checkpoint back to a snapshot.

    Raises
    ------
    RunFolderError
        If the checkpoint does not fit this network and optimiser.
    """
    try:
        said, tensors = checkpoint.description["training"], dict(checkpoint.tensors)
        state = _state(tensors, trainable)
        runs = []
        for index, (one, losses) in enumerate(zip(said["runs"], checkpoint.losses, strict=True)):
            run = _run(one)
            run.batch_losses = [losses.astype(trainable.backend.dtype_name)] if len(losses) else []
            for name in WEIGHTS:
                if any(key.startswith(f"runs.{index}.{name}.") for key in tensors):
                    setattr(run, name, _parameters(tensors, f"runs.{index}.{name}", trainable))
            for name, types in _ROWS.items():
                setattr(run, name, _rows(tensors, f"runs.{index}.{name}", *types))
            runs.append(run)
        if tensors:
            raise Damaged(f"there is an array {min(tensors)!r} too many")
        snapshot = Snapshot(int(said["epoch"]), state, runs, float(said["seconds"]))
        _check(snapshot, trainable.n_examples)
    except (Damaged, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RunFolderError(
            f"the checkpoint {checkpoint.path} does not fit the network and the optimiser of this config ({error}): "
            "train again with --overwrite."
        ) from error
    return snapshot


def _described(run: Run) -> dict[str, Any]:
    """Convert a run's record to a table of JSON's types, with NamedTuples as lists."""
    return {
        name: dict(zip(_PROGRESS, astuple(run.progress), strict=True)) if name == "under_way" else getattr(run, name)
        for name in _TYPES
    }


def _run(table: dict[str, Any]) -> Run:
    """Convert a table from `_described` back to a record, checking the type of every value."""
    if table.keys() != _TYPES.keys():
        raise Damaged(f"its runs have the fields {', '.join(table)}")
    progress = [table["under_way"][name] for name in _PROGRESS]
    found = table | {"under_way": dict(zip((field.name for field in fields(EpochProgress)), progress, strict=True))}
    values = {name: types.validate_python(found[name]) for name, types in _TYPES.items()}
    return Run(progress=values.pop("under_way"), **values)


def _rows_as_arrays(rows: Sequence[Sequence[float | None]], prefix: str) -> Tensors:
    """Convert rows to their figures and a mask of missing ones, (rows, width) each; no arrays if there are no rows."""
    if not rows:
        return {}
    missing = np.array([[figure is None for figure in row] for row in rows])
    figures = np.array([[math.nan if figure is None else figure for figure in row] for row in rows], np.float64)
    return {f"{prefix}.figures": figures, f"{prefix}.missing": missing}


def _rows(tensors: Tensors, prefix: str, width: int, types: TypeAdapter[Any]) -> list[Any]:
    """Convert arrays from `_rows_as_arrays` back to rows, removing the arrays from ``tensors``."""
    if f"{prefix}.figures" not in tensors:
        return []
    figures, missing = tensors.pop(f"{prefix}.figures"), tensors.pop(f"{prefix}.missing")
    if figures.shape[1:] != (width,) or missing.shape != figures.shape:
        raise Damaged(f"{prefix} has the shapes {figures.shape} and {missing.shape}")
    if figures.dtype != np.float64 or missing.dtype != np.bool_:
        raise Damaged(f"{prefix} holds numbers of type {figures.dtype} and {missing.dtype}")
    objects = figures.astype(object)
    objects[missing] = None
    rows: list[Any] = types.validate_python(objects.tolist())
    return rows


def _state(tensors: Tensors, trainable: Trainable) -> TrainingState:
    stacked = {array.shape[:1] for name, array in tensors.items() if name.startswith("state.parameters.")}
    if len(stacked) != 1:
        raise Damaged(f"its parameters are of {len(stacked)} numbers of runs")
    parameters = _parameters(tensors, "state.parameters", trainable, *stacked)
    fresh = trainable.optimizer.init(parameters)
    return TrainingState(parameters, _filled(tensors, "state.optimizer", fresh, lambda leaf: leaf.shape))


def _parameters(tensors: Tensors, prefix: str, trainable: Trainable, runs: tuple[int, ...] = ()) -> Parameters:
    """Take the network's parameters under this prefix out of ``tensors``, (*runs, rows, columns) each."""
    parameters = _filled(tensors, prefix, trainable.network.root.slots, lambda slot: (*runs, slot.rows, slot.columns))
    for _, array in leaves(parameters):
        if not np.issubdtype(array.dtype, np.floating):
            raise Damaged(f"{prefix} holds numbers of type {array.dtype}")
    return parameters


def _filled(tensors: Tensors, prefix: str, tree: Any, shape_of: Callable[[Any], tuple[int, ...]]) -> Any:
    """Fill a tree of this structure with the arrays of the same names, taken out of ``tensors``."""
    names = iter([name for name, _ in leaves(tree, prefix)])

    def found(leaf: Any) -> Any:
        name = next(names)
        array = tensors.pop(name)
        if array.shape != shape_of(leaf):
            raise Damaged(f"{name} has the shape {array.shape}, not {shape_of(leaf)}")
        return array

    return map_leaves(found, tree)


def _check(snapshot: Snapshot, examples: int) -> None:
    """Check that the parts of a snapshot agree on the number of active runs and their progress."""
    running = snapshot.running
    stacked = runs_of(snapshot.state.parameters)
    if running and stacked != len(running):
        raise Damaged(f"{len(running)} runs are active, but the arrays hold {stacked}")
    if len({(run.progress.steps, run.progress.examples) for run in running}) > 1:
        raise Damaged("its runs are not at the same step")
    for run in snapshot.runs:
        epochs = len(run.epochs)
        if [row.epoch for row in run.epochs] != list(range(1, epochs + 1)) or not 0 <= run.best_epoch <= epochs:
            raise Damaged("a run's epochs are not counted right")
        if run.status is Status.RUNNING and epochs != snapshot.epoch - 1:
            raise Damaged(f"a run has not ended {snapshot.epoch - 1} epochs")
        if not 0 <= run.progress.examples < examples or run.progress.steps < 0:
            raise Damaged(f"a run has seen {run.progress.examples} examples of an epoch of {examples}")
        if run.status is not Status.RUNNING and run.parameters is None:
            raise Damaged("a run that has ended has no weights")
        if run.status is Status.DIVERGED and run.ended_at is None:
            raise Damaged("a run that has diverged does not say where")


class Checkpoints:
    """`Saver` that writes a block's snapshots into a folder when they are due.

    Time is measured by a monotonic clock, unaffected by changes to the system clock.

    Parameters
    ----------
    folder : Path
    output : OutputConfig
        With the interval between checkpoints and the number kept; its ``checkpoint_every`` is not ``None``.
    runs : int
        Number of runs in the block.
    provenance : dict
        Written beside each snapshot; see `xpmlp.storage.provenance`.
    start : Checkpoint, optional
        Checkpoint from which the training resumes.
    """

    def __init__(
        self,
        folder: Path,
        output: OutputConfig,
        runs: int,
        provenance: Provenance,
        start: Checkpoint | None = None,
    ) -> None:
        assert output.checkpoint_every is not None
        count, _, unit = output.checkpoint_every.partition(" ")
        self.every, self.unit = (AUTO_SECONDS, count) if count == "auto" else (int(count), unit.removesuffix("s"))
        self.provenance = provenance
        self._writer = CheckpointWriter(folder, runs, output.keep, start)
        self._steps = 0 if start is None else max(map(len, start.losses))
        self._epochs, self._time = 0, time.monotonic()

    def due(self, *, epoch_ended: bool, steps: int) -> bool:
        """Whether the next checkpoint is due."""
        match self.unit:
            case "step":
                return steps - self._steps >= self.every
            case "second":
                return time.monotonic() - self._time >= self.every
            case "epoch":
                self._epochs += epoch_ended
                return self._epochs >= self.every and epoch_ended
        return epoch_ended and time.monotonic() - self._time >= self.every

    def save(self, snapshot: Snapshot) -> None:
        """Write a checkpoint.

        Raises
        ------
        RunFolderError
            If the disk is full or the folder cannot be written to; earlier checkpoints are unchanged.
        """
        description, tensors = encode(snapshot)
        losses = [run.batch_losses for run in snapshot.runs]
        with run_folder.as_run_folder_errors(self._writer.folder):
            content = {"training": description, KEY: self.provenance}
            self._writer.write(snapshot.steps, content, tensors, losses)
        self._epochs, self._steps, self._time = 0, snapshot.steps, time.monotonic()


def point_to_resume(
    folder: Path, config: Config, reporter: Reporter, *, force: bool
) -> tuple[ResumePoint | None, Config]:
    """Read the checkpoint of a folder to resume from, and complete the config.

    Parameters
    ----------
    folder : Path
        Locked.
    config : Config
    reporter : Reporter
        Told about damaged checkpoints, or that there is none.
    force : bool
        Whether changes to the config are accepted that make it another training.

    Returns
    -------
    resumed : ResumePoint or None
    config : Config
        With what it leaves open as the training to resume has it.

    Raises
    ------
    RunFolderError
        If there is a grid, no checkpoint of an ended training, or another config.
    """
    if (folder / run_folder.RUNS).is_dir():
        raise RunFolderError(f"{folder} holds a grid, and the config has none: resume it with the config that it had.")
    resumed = resume_point(folder / run_folder.CHECKPOINTS, reporter.note)
    if resumed is not None:
        config = with_folds_for(as_resolved(config, resumed.provenance), resumed.examples)
        check_config(resumed.provenance, config, resumed.epochs, force=force)
    elif (folder / "run.json").exists():
        raise RunFolderError(f"the training in {folder} left no checkpoint to resume: begin anew with --overwrite.")
    else:
        reporter.note(f"there is no checkpoint in {folder} yet: training from the beginning")
    return resumed, config


def notes_on_resuming(before: Provenance, snapshot: Snapshot, now: Provenance, steps: int) -> Iterator[str]:
    """Report where a training resumes, and the reasons why its bits may differ from those of an uninterrupted one.

    Parameters
    ----------
    before, now : dict
        From `xpmlp.storage.provenance.provenance_of`.
    snapshot : Snapshot
        Starting point of the resumed training.
    steps : int
        Steps in an epoch.
    """
    epochs = now["config"]["train"]["epochs"]
    if not snapshot.running or snapshot.epoch > epochs:
        yield f"nothing is left to train: it has ended after {snapshot.steps:,} steps"
        return
    done = snapshot.steps_under_way
    where = f"with {done:,} of its {steps:,} steps done" if done else "at its beginning"
    yield f"resuming after {snapshot.steps:,} steps, in epoch {snapshot.epoch} of {epochs}, {where}"
    yield from differences(before, now)
