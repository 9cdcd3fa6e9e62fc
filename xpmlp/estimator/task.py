"""What the training loop is to train for an estimator: arrays where they are, or sparse rows on the host."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend, Fold
from xpmlp.config import TrainConfig
from xpmlp.data import Part
from xpmlp.estimator.penalty import penalized
from xpmlp.estimator.places import placed
from xpmlp.optim import Optimizer, optimizers
from xpmlp.training.inference import BATCH, Inference
from xpmlp.training.step import Examples, Network, training_fold

SEGMENT_STEPS = 500
"""Steps between two readings of results from the device."""

SEGMENT_BYTES = 2**25
"""How much memory the rows of a sparse matrix may take that are dense at one time, if more than one batch is."""


class OptimizerChoice(NamedTuple):
    """An optimiser by name, with the constants that Adam has."""

    name: str
    beta_1: float | None = None
    beta_2: float | None = None
    epsilon: float | None = None

    def make(self) -> Optimizer:
        """The optimiser."""
        constants = {name: value for name, value in self._asdict().items() if name != "name" and value is not None}
        return optimizers[self.name](**constants)


@functools.lru_cache(maxsize=64)
def _training_fold(network: Network, choice: OptimizerChoice, backend: Backend, share: float) -> Fold:
    """One fold for all trainings that need the same, so that JAX compiles it once."""
    return penalized(training_fold(network, choice.make(), backend.ops, backend.dtype), backend.ops, share)


@functools.lru_cache(maxsize=64)
def inference_of(network: Network, backend: Backend) -> Inference:
    """One inference for all estimators that need the same, so that JAX compiles it once."""
    return Inference(network, backend)


@dataclass(frozen=True)
class EstimatorTask:
    """A `xpmlp.training.task.Task` over features that an estimator was given.

    Attributes
    ----------
    backend : Backend
    plan : TrainConfig
        Its epochs and batch size alone are heeded; the rest is up to the course.
    network : Network
    choice : OptimizerChoice
    features : (n, n_features)
        An array of the backend, or a sparse matrix in CSR form, on the host.
    targets : (n,) or (n, n_outputs)
        Encoded, on the host.
    weights : (n,) or None
        On the host.
    rows : (n_examples,)
        Which of the examples are trained on.
    initial : list of Layer
        The weights to begin with, wherever they are.
    n_outputs : int
    validation_examples : Examples or None
    share : float
        See `xpmlp.estimator.penalty.penalized`.
    """

    backend: Backend
    plan: TrainConfig
    network: Network
    choice: OptimizerChoice
    features: Any
    targets: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None
    rows: npt.NDArray[np.int64]
    initial: Parameters
    n_outputs: int
    validation_examples: Examples | None
    share: float

    @property
    def n_examples(self) -> int:
        """The length of an epoch."""
        return len(self.rows)

    @cached_property
    def optimizer(self) -> Optimizer:
        """The rule that turns gradients into steps."""
        return self.choice.make()

    @property
    def inference(self) -> Inference:
        """The network's evaluation."""
        return inference_of(self.network, self.backend)

    @property
    def training_fold(self) -> Fold:
        """What trains on batches."""
        return _training_fold(self.network, self.choice, self.backend, self.share)

    @cached_property
    def train_examples(self) -> Examples:
        """All examples on the device."""
        return examples_on(self.inference, self.features, self.targets, self.weights, self.n_outputs)

    def initial_parameters(self, seed: int) -> list[tuple[Array, Array]]:
        """The weights to begin with; the seed has been heeded when they were drawn."""
        return [(layer.weights, layer.biases) for layer in self.initial]

    def fetch(self, order: npt.NDArray[np.int64]) -> tuple[Array, Examples]:
        """Row numbers (steps, batch) on the device, and the examples they count in: sparse ones for these alone."""
        index = self.backend.index_dtype_name
        if not is_sparse(self.features):
            return self.backend.asarray(order.astype(index, copy=False)), self.train_examples
        flat = order.reshape(-1)
        weights = None if self.weights is None else self.weights[flat]
        dense = self.features[flat].toarray()
        examples = examples_on(self.inference, dense, self.targets[flat], weights, self.n_outputs)
        return self.backend.asarray(np.arange(flat.size, dtype=index).reshape(order.shape)), examples


def segment_steps(features: Any, batch_size: int) -> int:
    """For how many steps to fetch examples at once: bounded for sparse ones, by the memory that they take."""
    if not is_sparse(features):
        return SEGMENT_STEPS
    batch_bytes: int = batch_size * features.shape[1] * features.dtype.itemsize
    return max(1, min(SEGMENT_STEPS, SEGMENT_BYTES // batch_bytes))


def is_sparse(features: Any) -> bool:
    """Whether checked features are a sparse matrix."""
    return hasattr(features, "toarray")


def examples_on(
    inference: Inference, features: Any, targets: npt.NDArray[Any], weights: npt.NDArray[Any] | None, n_outputs: int
) -> Examples:
    """Examples on a backend's device, with their features where they are if that is there.

    Their weights are kept as they are: the penalty is divided by their sum.
    """
    backend = inference.backend
    part = Part(np.empty((len(targets), 0), dtype=backend.dtype_name), targets)
    return inference.to_device(part, n_outputs)._replace(
        features=placed(features, backend),
        weights=None if weights is None else backend.asarray(weights.astype(backend.dtype_name, copy=False)),
    )


def predictions(inference: Inference, parameters: Parameters, features: Any) -> Array:
    """What a network predicts, (n, n_outputs), on its backend's device: sparse features a stretch of rows at a time.

    Parameters
    ----------
    inference : Inference
    parameters : list of Layer
        On the backend.
    features : (n, n_features)
        An array of any backend, or a sparse matrix in CSR form.
    """
    backend = inference.backend
    if not is_sparse(features):
        return inference.outputs(parameters, placed(features, backend))
    parts = [
        inference.outputs(parameters, backend.asarray(features[start : start + BATCH].toarray()))
        for start in range(0, features.shape[0], BATCH)
    ]
    return backend.xp.concat(parts, axis=0)
