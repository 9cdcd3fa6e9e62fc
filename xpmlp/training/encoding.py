"""A snapshot as named arrays and values of JSON's types, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Layer, Parameters
from xpmlp.checkpoint import Checkpoint, Damaged
from xpmlp.errors import RunFolderError
from xpmlp.training.inference import Score
from xpmlp.training.problem import Problem
from xpmlp.training.run import EpochRow, Run, RunSettings, Status, UnderWay
from xpmlp.training.snapshot import Snapshot
from xpmlp.training.step import TrainingState

Tensors = dict[str, npt.NDArray[Any]]

_WEIGHTS = ("parameters", "best_parameters")
_ELSEWHERE = (*_WEIGHTS, "batch_losses", "test")
"""The fields of a run that are arrays, and the test, which comes after the training."""


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
    return description, {name: leaf for prefix, tree in trees.items() for name, leaf in leaves(tree, prefix)}


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
                if f"runs.{index}.{name}.0.weights" in tensors:
                    setattr(run, name, _parameters(tensors, f"runs.{index}.{name}", problem))
            runs.append(run)
        if tensors:
            raise Damaged(f"there is an array {min(tensors)!r} too many")
        snapshot = Snapshot(int(said["epoch"]), state, runs, float(said["seconds"]))
        _check(snapshot)
    except (Damaged, LookupError, TypeError, ValueError, AttributeError) as error:
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
    converted = {
        "settings": RunSettings(*table["settings"]),
        "status": Status(table["status"]),
        "under_way": UnderWay(**table["under_way"]),
        "epochs": [EpochRow(*row) for row in table["epochs"]],
        "train_scores": [Score(*score) for score in table["train_scores"]],
        "ended_at": None if table["ended_at"] is None else (table["ended_at"][0], table["ended_at"][1]),
    }
    return Run(**{**table, **converted})


def _state(tensors: Tensors, problem: Problem) -> TrainingState:
    parameters = _parameters(tensors, "state.parameters", problem)
    fresh = TrainingState(parameters, problem.optimizer.init(parameters))
    names = iter([name for name, _ in leaves(fresh.optimizer, "state.optimizer")])

    def fill(leaf: Any) -> Any:
        name = next(names)
        found = tensors.pop(name)
        if found.shape != leaf.shape:
            raise Damaged(f"{name} has the shape {found.shape}, not {leaf.shape}")
        return found

    return TrainingState(parameters, map_leaves(fill, fresh.optimizer))


def _parameters(tensors: Tensors, prefix: str, problem: Problem) -> Parameters:
    """The layers of this name, ([runs,] n_in, n_out), taken out of ``tensors``."""
    layers = [
        Layer(tensors.pop(f"{prefix}.{index}.weights"), tensors.pop(f"{prefix}.{index}.biases"))
        for index in range(len(problem.sizes) - 1)
    ]
    runs = layers[0].weights.shape[:-2]
    for layer, n_in, n_out in zip(layers, problem.sizes[:-1], problem.sizes[1:], strict=True):
        if layer.weights.shape != (*runs, n_in, n_out) or layer.biases.shape != (*runs, 1, n_out):
            raise Damaged(f"a layer of {prefix} has weights {layer.weights.shape}, the network's are {(n_in, n_out)}")
        if not np.issubdtype(layer.weights.dtype, np.floating):
            raise Damaged(f"{prefix} holds numbers of type {layer.weights.dtype}")
    return layers


def _check(snapshot: Snapshot) -> None:
    """Whether the parts agree about how many runs have not ended, and how far they are."""
    running = snapshot.running
    stacked = snapshot.state.parameters[0].weights.shape[:-2]
    if running and stacked != ((len(running),) if len(running) > 1 else ()):
        raise Damaged(f"{len(running)} runs go on, but the arrays hold {stacked or 1}")
    if len({(run.under_way.steps, run.under_way.examples) for run in running}) > 1:
        raise Damaged("its runs are not at the same step")
    if any(len(run.epochs) != snapshot.epoch - 1 for run in running):
        raise Damaged(f"its runs have not ended {snapshot.epoch - 1} epochs")
