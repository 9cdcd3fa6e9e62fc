"""xpmlp itself, with its real training loop and its grids."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, suppress
from typing import ClassVar

import numpy as np

from benchmarks.contestants.base import Contestant, ContestantError, Reached, Stretch
from xpmlp.backend import Backend
from xpmlp.bench import Stopwatch
from xpmlp.config import Config
from xpmlp.errors import BackendError
from xpmlp.grid import train_grid
from xpmlp.nn import Metric
from xpmlp.training import EpochRow, Reporter
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings
from xpmlp.training.trainer import resolve_configured

GPU = {"torch": "cuda:0", "jax": "gpu:0", "cupy": "cuda:0"}
"""Each backend's name for the first GPU."""


class Ours(Contestant):
    """One run on a backend, as trained by ``xpmlp train``."""

    backend: ClassVar[str]

    def prepare(self) -> None:
        """Load the data, and open the backend's session, one for all stretches, as in a training."""
        config = self.work.config(self.backend, GPU[self.backend] if self.device == "gpu" else None)
        self.problem = ConfigTrainable(config, self.work.dataset(), _found(config))
        self.settings = [RunSettings.of(config.train)]
        with suppress(ImportError):  # older versions do it themselves
            from xpmlp._malloc import keep_freed_memory

            keep_freed_memory()  # like the command line
        self.session = ExitStack()
        self.session.enter_context(self.problem.backend.session(self.problem.rows_at_once))

    def close(self) -> None:
        """Close the session."""
        self.session.close()

    def stretch(self) -> Stretch:
        """Train the first steps, timed from the first order of examples to the last losses."""
        watch = Stopwatch(most_steps=self.work.steps)
        (run,) = train_block(self.problem, self.settings, watch, watch.enough)
        return Stretch(watch.seconds, watch.steps, run.losses)

    def to_accuracy(self, epochs: int) -> list[Reached]:
        """Train until the accuracy is reached, with the loop's own validation."""
        listener = _Accuracies(max(self.work.targets), epochs)
        train_block(self.problem, self.settings, listener, listener.enough)
        return listener.reached


class OnNumpy(Ours):
    """xpmlp on NumPy."""

    backend = "numpy"


class OnNumpyAlone(OnNumpy):
    """xpmlp on NumPy without Numba, step by step."""

    def prepare(self) -> None:
        """Hide Numba from this process, and prepare as with it."""
        sys.modules["numba"] = None  # type: ignore[assignment]  # to importlib: it is not installed
        super().prepare()


class OnTorch(Ours):
    """xpmlp on PyTorch."""

    backend = "torch"


class OnJax(Ours):
    """xpmlp on JAX."""

    backend = "jax"


class OnCupy(Ours):
    """xpmlp on CuPy."""

    backend = "cupy"


class GridOnNumpy(Contestant):
    """All runs of the work's grid for an epoch, in one process for each thread; starting them is included."""

    def prepare(self) -> None:
        """Write the config; a grid loads its own data."""
        self.config = self.work.grid_config("numpy", None, self.threads)

    def stretch(self) -> Stretch:
        """Train the grid; the losses are those of the run that the others train, too."""
        started = time.perf_counter()
        result = train_grid(self.config)
        seconds = time.perf_counter() - started
        steps = sum(len(run.losses) for run in result.runs)
        alike = RunSettings.of(self.config.train)
        losses = next((run.losses for run in result.runs if run.settings == alike), np.empty(0))
        return Stretch(seconds, steps, losses[: self.work.steps])


class GridOnCupy(GridOnNumpy):
    """All runs of the work's grid, stacked on the GPU."""

    def prepare(self) -> None:
        """Write the config, if there is a GPU."""
        self.config = self.work.grid_config("cupy", GPU["cupy"], 1)
        _found(self.config)


def _found(config: Config) -> Backend:
    try:
        return resolve_configured(config.backend).backend
    except BackendError as error:
        raise ContestantError(str(error)) from error


class _Accuracies(Reporter):
    """Recorder of the validation accuracy after each epoch, and the time since the training began."""

    def __init__(self, target: float, most: int) -> None:
        self.target, self.most = target, most
        self.reached: list[Reached] = []
        self._began = 0.0

    def begin(self, epochs: int, steps: int, metric: Metric) -> None:
        self._began = time.perf_counter()

    def epoch(self, run: int, row: EpochRow) -> None:
        assert row.validation_value is not None
        self.reached.append(Reached(time.perf_counter() - self._began, row.validation_value))

    def enough(self) -> bool:
        return len(self.reached) == self.most or any(end.accuracy >= self.target for end in self.reached)
