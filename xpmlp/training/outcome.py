"""What a training leaves, all of it on the host: it can be written to a folder, or sent from one process to another."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xpmlp._tree import map_leaves
from xpmlp._version import __version__
from xpmlp.checkpoint import SavedNetwork
from xpmlp.config import Config
from xpmlp.training.problem import Problem
from xpmlp.training.run import Run


@dataclass(frozen=True)
class Timing:
    """Where a training's time went, in seconds.

    Attributes
    ----------
    data : float
        Reading the data set.
    training : float
        The loop, validation included; of a block of stacked runs, for all of them together.
    """

    data: float
    training: float


@dataclass(frozen=True)
class Outcome:
    """A run that has ended.

    Attributes
    ----------
    config : Config
        By which this run alone could be trained again.
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


def outcome_of(problem: Problem, run: Run, timing: Timing) -> Outcome:
    """Bring an ended run to the host."""
    return Outcome(
        run.settings.applied_to(problem.config),
        replace(run, parameters=None, best_parameters=None),
        _network(problem, run),
        _facts(problem, run, timing),
    )


def _network(problem: Problem, run: Run) -> SavedNetwork:
    dataset = problem.dataset
    return SavedNetwork(
        map_leaves(problem.backend.to_numpy, run.parameters),
        problem.network,
        dataset.classes,
        dataset.preprocessing,
        dataset.feature_names,
        dataset.target_names,
    )


def _facts(problem: Problem, run: Run, timing: Timing) -> dict[str, Any]:
    backend, config, dataset = problem.backend, problem.config, problem.dataset
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
        "layer_sizes": problem.sizes,
        "batch_size": config.train.batch_size,
        "loss": problem.network.loss.name,
        "steps_per_epoch": problem.steps_per_epoch,
        "seconds": {
            "data": round(timing.data, 3),
            "training": round(timing.training, 3),
            "per_step": timing.training / steps if steps else None,
        },
    }
