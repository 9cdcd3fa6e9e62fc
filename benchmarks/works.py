"""The works of a benchmark: trainings, the same for every contestant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xpmlp.config import BackendConfig, Config, DataConfig, GridConfig, ModelConfig, OutputConfig, TrainConfig
from xpmlp.data import Dataset, load
from xpmlp.init import batch_order, initial_parameters

SEED = 0
"""Seed of the initial weights and of the order of the examples."""


@dataclass(frozen=True)
class Work:
    """A training with softmax cross-entropy in float32: its network, data, batches, optimiser and learning rate.

    Attributes
    ----------
    name, title : str
        Name for the command line, and title for readers.
    kind : str
        ``pace``: steps are timed; ``grid``: steps of many runs are timed; ``accuracy``: the time to a validation
        accuracy.
    data : "mnist" or "digits"
    hidden : tuple of int
        Widths of the hidden layers.
    activation : "sigmoid" or "relu"
    batch : int
    learning_rate : float
    steps : int
        Steps of a stretch, which starts from the initial weights and takes the first batches of the epoch.
    targets : tuple of float
        The accuracies to reach.
    grid_runs : int
        Seeds for each of ``grid_learning_rates``.
    """

    name: str
    title: str
    kind: Literal["pace", "grid", "accuracy"] = "pace"
    data: Literal["mnist", "digits"] = "mnist"
    hidden: tuple[int, ...] = (300,)
    activation: Literal["sigmoid", "relu"] = "sigmoid"
    batch: int = 32
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.01
    steps: int = 500
    targets: tuple[float, ...] = ()
    grid_runs: int = 5
    grid_learning_rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)

    def dataset(self) -> Dataset:
        """Return the data as read by xpmlp, with the training part cut to whole batches."""
        whole = _dataset(self.data)
        kept = len(whole.train) // self.batch * self.batch
        return replace(
            whole, train=replace(whole.train, features=whole.train.features[:kept], targets=whole.train.targets[:kept])
        )

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the row numbers of an epoch's batches, (steps, batch), as drawn by xpmlp."""
        return batch_order(SEED, epoch, len(self.dataset().train)).reshape(-1, self.batch)

    def first_order(self) -> npt.NDArray[np.int64]:
        """The row numbers of a stretch, (steps, batch)."""
        return self.order(1)[: self.steps]

    def first_parameters(self) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """Return the initial weights (n_in, n_out) and biases (n_out,), new arrays, as drawn by xpmlp."""
        drawn = initial_parameters(self.sizes, SEED)
        return [(weights.astype(np.float32), biases.ravel().astype(np.float32)) for weights, biases in drawn]

    @property
    def sizes(self) -> list[int]:
        """The widths of all layers."""
        whole = _dataset(self.data)
        return [whole.n_features, *self.hidden, whole.n_classes]

    @property
    def training_steps(self) -> int:
        """The number of steps of one run of a grid: an epoch."""
        return len(self.dataset().train) // self.batch

    def config(self, backend: str, device: str | None) -> Config:
        """Return the work as a config of xpmlp."""
        return Config(
            backend=BackendConfig(name=backend, device=device),
            data=DataConfig(name=self.data),
            model=ModelConfig(hidden_layer_sizes=list(self.hidden), activation=self.activation),
            train=TrainConfig(
                epochs=1 if self.kind == "grid" else 1000,  # the others are stopped
                batch_size=self.batch,
                optimizer=self.optimizer,
                learning_rate=self.learning_rate,
                seed=SEED,
                segment_steps=min(self.steps, TrainConfig().segment_steps),
            ),
            output=OutputConfig(plots=False),
        )

    def grid_config(self, backend: str, device: str | None, workers: int) -> Config:
        """Return the work as a config with a grid over a number of processes."""
        grid = GridConfig(runs=self.grid_runs, learning_rate=list(self.grid_learning_rates), workers=workers)
        return self.config(backend, device).model_copy(update={"grid": grid})

    @property
    def grid_size(self) -> int:
        """The number of runs in its grid."""
        return self.grid_runs * len(self.grid_learning_rates)


@lru_cache
def _dataset(name: str) -> Dataset:
    return load(name)


def as_float32(work: Work, part: Literal["train", "validation"]) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
    """Return a part of a work's data as in other libraries' examples: float32 features (n, n_in), labels (n,)."""
    dataset = work.dataset()
    chosen = dataset.train if part == "train" else dataset.validation
    assert chosen is not None
    return chosen.features.astype(np.float32) * np.float32(dataset.preprocessing.scale), chosen.targets


WORKS = {
    work.name: work
    for work in (
        Work("batch-1", "784-300-10, batch 1", batch=1, steps=1000),
        Work("batch-32", "784-300-10, batch 32"),
        Work("batch-256", "784-300-10, batch 256", batch=256, steps=200),
        Work("batch-1024", "784-300-10, batch 1024", batch=1024, steps=50),
        Work("deep", "784-800-800-10 relu, batch 128", hidden=(800, 800), activation="relu", batch=128, steps=50),
        Work("grid", "Table 4, batch 1", kind="grid", batch=1, steps=1000),
        Work(
            "accuracy",
            "784-300-10, batch 32, learning rate 1",
            kind="accuracy",
            learning_rate=1.0,
            targets=(0.97, 0.98),
        ),
        # for tests: seconds, without MNIST
        Work("digits", "64-16-10, batch 32", data="digits", hidden=(16,), steps=20),
        Work(
            "digits-grid",
            "64-16-10, batch 1",
            kind="grid",
            data="digits",
            hidden=(16,),
            batch=1,
            steps=40,
            grid_runs=2,
            grid_learning_rates=(0.01, 0.03),
        ),
        Work(
            "digits-accuracy",
            "64-16-10, batch 32, learning rate 0.1",
            kind="accuracy",
            data="digits",
            hidden=(16,),
            learning_rate=0.1,
            targets=(0.5, 0.8),
        ),
    )
}
"""All works by name."""

DEFAULT = ["batch-1", "batch-32", "batch-256", "batch-1024", "deep", "grid", "accuracy"]
QUICK = ["batch-1", "batch-32"]
