"""A snapshot as named arrays and values of JSON's types, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Parameters
from xpmlp.checkpoint import Checkpoint, Damaged
from xpmlp.errors import RunFolderError
from xpmlp.nn import Metric
from xpmlp.training.inference import Score
from xpmlp.training.problem import Problem
from xpmlp.training.run import EpochRow, Run, RunSettings, Status, UnderWay
from xpmlp.training.snapshot import Snapshot
from xpmlp.training.step import TrainingState, runs_of

Tensors = dict[str, npt.NDArray[Any]]

_WEIGHTS = ("parameters", "best_parameters")

_ROWS: dict[str, tuple[int, TypeAdapter[Any]]] = {
    "epochs": (len(EpochRow._fields), TypeAdapter(list[EpochRow])),
    "train_scores": (len(Score._fields), TypeAdapter(list[Score])),
}
"""The fields of a run that have a row for each epoch, with its width: arrays, too, as a million of them would be more
than a safetensors file takes in its metadata."""

_ELSEWHERE = (*_WEIGHTS, *_ROWS, "batch_losses", "test")
"""The fields of a run that are arrays, and the test, which comes after the training."""

_TYPES: dict[str, TypeAdapter[Any]] = {
    "settings": TypeAdapter(RunSettings),
    "metric": TypeAdapter(Metric),
    "status": TypeAdapter(Status),
    "under_way": TypeAdapter(UnderWay),
    "best_loss": TypeAdapter(float),
    "best_epoch": TypeAdapter(int),
    "ended_at": TypeAdapter(tuple[int, int] | None),
}
"""The other fields of a run."""


def encode(snapshot: Snapshot) -> tuple[dict[str, Any], Tensors]:
    """What a checkpoint holds of a snapshot, but for the losses of its batches.

    Returns
    -------
    description : dict
        Of JSON's types; floats among them come back as the same bits.
    tensors : dict of arrays
    """
    description = {
        "epoch": snapshot.epoch,
        "step": snapshot.steps_under_way,
        "seconds": snapshot.seconds,
        "runs": [_described(run) for run in snapshot.runs],
    }
    trees = {"state": snapshot.state} | {
        f"runs.{index}.{name}": getattr(run, name) for index, run in enumerate(snapshot.runs) for name in _WEIGHTS
    }
    tensors = {name: leaf for prefix, tree in trees.items() for name, leaf in leaves(tree, prefix)}
    for index, run in enumerate(snapshot.runs):
        for name in _ROWS:
            tensors |= _rows_as_arrays(getattr(run, name), f"runs.{index}.{name}")
    return description, tensors


def decode(checkpoint: Checkpoint, problem: Problem) -> Snapshot:
    """The snapshot that a checkpoint holds.

    Raises
    ------
    RunFolderError
        If it is none of this network and optimiser.
    """
    try:
        said, tensors = checkpoint.description["training"], dict(checkpoint.tensors)
        state = _state(tensors, problem)
        runs = []
        for index, (one, losses) in enumerate(zip(said["runs"], checkpoint.losses, strict=True)):
            run = _run(one)
            run.batch_losses = [losses.astype(problem.backend.dtype_name)] if len(losses) else []
            for name in _WEIGHTS:
                if any(key.startswith(f"runs.{index}.{name}.") for key in tensors):
                    setattr(run, name, _parameters(tensors, f"runs.{index}.{name}", problem))
            for name in _ROWS:
                setattr(run, name, _rows(tensors, f"runs.{index}.{name}", *_ROWS[name]))
            runs.append(run)
        if tensors:
            raise Damaged(f"there is an array {min(tensors)!r} too many")
        snapshot = Snapshot(int(said["epoch"]), state, runs, float(said["seconds"]))
        _check(snapshot, problem.n_examples)
    except (Damaged, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RunFolderError(
            f"the checkpoint {checkpoint.path} does not fit the network and the optimiser of this config ({error}): "
            "train again with --overwrite."
        ) from error
    return snapshot


def _described(run: Run) -> dict[str, Any]:
    """A run's record as a table; NamedTuples become lists in JSON."""
    table = {field.name: getattr(run, field.name) for field in fields(run) if field.name not in _ELSEWHERE}
    return table | {"under_way": asdict(run.under_way)}


def _run(table: dict[str, Any]) -> Run:
    """The record that `_described` has made a table of; every value in it has to be of its type."""
    if table.keys() != _TYPES.keys():
        raise Damaged(f"its runs have the fields {', '.join(table)}")
    return Run(**{name: _TYPES[name].validate_python(value) for name, value in table.items()})


def _rows_as_arrays(rows: Sequence[Sequence[float | None]], prefix: str) -> Tensors:
    """Figures, each (rows, width), and which of them there are not; nothing where there are no rows."""
    if not rows:
        return {}
    missing = np.array([[figure is None for figure in row] for row in rows])
    figures = np.array([[math.nan if figure is None else figure for figure in row] for row in rows], np.float64)
    return {f"{prefix}.figures": figures, f"{prefix}.missing": missing}


def _rows(tensors: Tensors, prefix: str, width: int, types: TypeAdapter[Any]) -> list[Any]:
    """The rows that `_rows_as_arrays` has made arrays of, taken out of ``tensors``."""
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


def _state(tensors: Tensors, problem: Problem) -> TrainingState:
    stacked = {array.shape[:1] for name, array in tensors.items() if name.startswith("state.parameters.")}
    if len(stacked) != 1:
        raise Damaged(f"its parameters are of {len(stacked)} numbers of runs")
    parameters = _parameters(tensors, "state.parameters", problem, *stacked)
    fresh = TrainingState(parameters, problem.optimizer.init(parameters))
    names = iter([name for name, _ in leaves(fresh.optimizer, "state.optimizer")])

    def fill(leaf: Any) -> Any:
        name = next(names)
        found = tensors.pop(name)
        if found.shape != leaf.shape:
            raise Damaged(f"{name} has the shape {found.shape}, not {leaf.shape}")
        return found

    return TrainingState(parameters, map_leaves(fill, fresh.optimizer))


def _parameters(tensors: Tensors, prefix: str, problem: Problem, runs: tuple[int, ...] = ()) -> Parameters:
    """The network's parameters of this name, (*runs, rows, columns) each, taken out of ``tensors``."""
    wanted = problem.initial_parameters(0)
    names = iter([name for name, _ in leaves(wanted, prefix)])

    def found(leaf: Any) -> Any:
        name = next(names)
        array = tensors.pop(name)
        if array.shape != (*runs, *leaf.shape):
            raise Damaged(f"{name} has the shape {array.shape}, the network's is {leaf.shape}")
        if not np.issubdtype(array.dtype, np.floating):
            raise Damaged(f"{prefix} holds numbers of type {array.dtype}")
        return array

    parameters: Parameters = map_leaves(found, wanted)
    return parameters


def _check(snapshot: Snapshot, examples: int) -> None:
    """Whether the parts agree about how many runs have not ended, and how far they are."""
    running = snapshot.running
    stacked = runs_of(snapshot.state.parameters)
    if running and stacked != len(running):
        raise Damaged(f"{len(running)} runs go on, but the arrays hold {stacked}")
    if len({(run.under_way.steps, run.under_way.examples) for run in running}) > 1:
        raise Damaged("its runs are not at the same step")
    for run in snapshot.runs:
        epochs = len(run.epochs)
        if [row.epoch for row in run.epochs] != list(range(1, epochs + 1)) or not 0 <= run.best_epoch <= epochs:
            raise Damaged("a run's epochs are not counted right")
        if run.status is Status.RUNNING and epochs != snapshot.epoch - 1:
            raise Damaged(f"a run has not ended {snapshot.epoch - 1} epochs")
        if not 0 <= run.under_way.examples < examples or run.under_way.steps < 0:
            raise Damaged(f"a run has seen {run.under_way.examples} examples of an epoch of {examples}")
        if run.status is not Status.RUNNING and run.parameters is None:
            raise Damaged("a run that has ended has no weights")
        if run.status is Status.DIVERGED and run.ended_at is None:
            raise Damaged("a run that has diverged does not say where")
