"""Training state between segments, copied to the host and back to a device.

Between two segments the rest of a training is determined by a `Snapshot`, the config and the data.  The orders of the
examples and the learning rates are recomputed from the seed and the records, not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from xpmlp._tree import map_leaves
from xpmlp._typing import Parameters
from xpmlp.backend import Backend
from xpmlp.training.run import Run, Status
from xpmlp.training.step import TrainingState

WEIGHTS = ("parameters", "best_parameters")
"""Fields of a run that hold parameters."""


@dataclass(frozen=True)
class Snapshot:
    """Block of runs between two segments of steps, entirely on the host and sharing no memory with the training.

    Attributes
    ----------
    epoch : int
        The current epoch, from 1; the runs' ``progress`` gives the position in it.  After the last epoch, one more than
        the number of epochs.
    state : TrainingState
        Parameters and optimiser state of the runs that have not ended, stacked if they are several.
    runs : list of Run
        The records of all runs; those that have not ended have the status ``RUNNING``.
    seconds : float
        Duration of the training so far.
    """

    epoch: int
    state: TrainingState
    runs: list[Run]
    seconds: float

    @property
    def running(self) -> list[Run]:
        """The runs that have not ended."""
        return [run for run in self.runs if run.status is Status.RUNNING]

    @property
    def steps_under_way(self) -> int:
        """Steps done in the current epoch."""
        return max((run.progress.steps for run in self.running), default=0)

    @property
    def steps(self) -> int:
        """Steps done since the beginning, by the run with the most."""
        return max(run.steps for run in self.runs)


class Saver(Protocol):
    """Receiver of snapshots: after each segment the training loop asks it whether one is due."""

    def due(self, *, epoch_ended: bool, steps: int) -> bool:
        """Return whether to take a snapshot now, ``steps`` after the beginning; if not, nothing is copied."""

    def save(self, snapshot: Snapshot) -> None:
        """Save a snapshot: one that was due, or the last one before the training ends for any reason."""


def take_snapshot(backend: Backend, epoch: int, state: TrainingState, runs: Sequence[Run], seconds: float) -> Snapshot:
    """Copy a block to the host; the training may continue afterwards.

    Parameters
    ----------
    backend : Backend
    epoch : int
        The current epoch, from 1.
    state : TrainingState
        On the device.
    runs : sequence of Run
    seconds : float
    """
    return Snapshot(epoch, to_host(backend, state), _copied(runs, lambda tree: to_host(backend, tree)), seconds)


def restore(backend: Backend, snapshot: Snapshot) -> tuple[TrainingState, list[Run]]:
    """Copy a snapshot's state and records to fresh arrays on a device of any backend; the snapshot is not changed.

    Returns
    -------
    state : TrainingState
    runs : list of Run
    """
    return to_device(backend, snapshot.state), _copied(snapshot.runs, lambda tree: to_device(backend, tree))


def _copied(runs: Sequence[Run], move: Callable[[Parameters], Parameters]) -> list[Run]:
    """Copy records so that they share nothing with the given ones, and move their weights."""
    return [
        replace(
            run,
            progress=replace(run.progress),
            epochs=list(run.epochs),
            batch_losses=list(run.batch_losses),
            train_scores=list(run.train_scores),
            **{name: move(getattr(run, name)) for name in WEIGHTS},
        )
        for run in runs
    ]


def to_host(backend: Backend, tree: Any) -> Any:
    """Copy a tree of device arrays to NumPy arrays."""
    return map_leaves(backend.to_numpy, tree)


def to_device(backend: Backend, tree: Any) -> Any:
    """Copy a tree of NumPy arrays to fresh device arrays: floats in the backend's dtype, integers unchanged."""

    def move(leaf: Any) -> Any:
        if np.issubdtype(leaf.dtype, np.floating):
            return backend.parameters(leaf)
        return backend.copy(backend.asarray(leaf))

    return map_leaves(move, tree)
