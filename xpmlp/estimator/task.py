"""What the training loop is to train for an estimator."""

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
from xpmlp.estimator.examples import EstimatorInference, Given, inference_of, is_sparse, stretch
from xpmlp.estimator.penalty import penalized
from xpmlp.nn import Network
from xpmlp.optim import Optimizer, optimizers
from xpmlp.training.step import Examples, training_fold

SEGMENT_STEPS = 500
"""Steps between two readings of results from the device."""


class OptimizerChoice(NamedTuple):
    """An optimiser by name, with its constants by name."""

    name: str
    constants: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, name: str, settings: Any) -> OptimizerChoice:
        """The optimiser with constants from attributes of ``settings``."""
        return cls(name, tuple(optimizers[name].constants(settings).items()))

    def make(self, kinds: Any) -> Optimizer:
        """The optimiser of a network whose parameters are of these kinds."""
        return optimizers[self.name].make(kinds, None, **dict(self.constants))


@functools.lru_cache(maxsize=64)
def _training_fold(network: Network, choice: OptimizerChoice, backend: Backend, share: float) -> Fold:
    """One fold for all trainings that need the same, so that JAX compiles it once."""
    optimizer = choice.make(network.root.kinds)
    return penalized(training_fold(network, optimizer, backend.ops, backend.dtype), backend.ops, share)


@dataclass(frozen=True)
class EstimatorTask:
    """A `xpmlp.training.task.Task` over examples that an estimator was given.

    Attributes
    ----------
    backend : Backend
    network : Network
    choice : OptimizerChoice
    given : Given
    rows : (n_examples,)
        Which of the examples are trained on.
    validation : Given or None
    initial : list of DenseParameters
        The weights to begin with, wherever they are.
    n_outputs, epochs, batch_size : int
    """

    backend: Backend
    network: Network
    choice: OptimizerChoice
    given: Given
    rows: npt.NDArray[np.int64]
    validation: Given | None
    initial: Parameters
    n_outputs: int
    epochs: int
    batch_size: int

    @cached_property
    def plan(self) -> TrainConfig:
        """How long, in which steps; the rest is up to the course."""
        steps = stretch(self.given.features, self.batch_size, SEGMENT_STEPS)
        return TrainConfig(epochs=self.epochs, batch_size=self.batch_size, segment_steps=steps)

    @property
    def dropout_schedule(self) -> str:
        """None: scikit-learn has no dropout at all."""
        return "constant"

    @property
    def n_examples(self) -> int:
        """The length of an epoch."""
        return len(self.rows)

    @property
    def share(self) -> float:
        """What part of the loss scikit-learn reports: the mean over the outputs of the squared error, not the sum."""
        return 1 / self.n_outputs if self.network.loss.scikit_learn == "squared_error" else 1.0

    @cached_property
    def optimizer(self) -> Optimizer:
        """The rule that turns gradients into steps."""
        return self.choice.make(self.network.root.kinds)

    @property
    def inference(self) -> EstimatorInference:
        """The network's evaluation."""
        return inference_of(self.network, self.backend)

    @property
    def training_fold(self) -> Fold:
        """What trains on batches."""
        return _training_fold(self.network, self.choice, self.backend, self.share)

    @cached_property
    def train_examples(self) -> Examples:
        """All examples on the device, except for sparse features."""
        return self.inference.examples(self.given, self.n_outputs)

    @cached_property
    def validation_examples(self) -> Examples | None:
        """What is evaluated after each epoch."""
        return None if self.validation is None else self.inference.examples(self.validation, self.n_outputs)

    def initial_parameters(self, seed: int) -> Parameters:
        """The weights to begin with; the seed has been heeded when they were drawn."""
        return self.initial

    def fetch(self, order: npt.NDArray[np.int64]) -> tuple[Array, Examples]:
        """Row numbers (steps, batch) on the device, and the examples they count in: sparse ones for these alone."""
        index = self.backend.index_dtype_name
        if not is_sparse(self.given.features):
            return self.backend.asarray(order.astype(index, copy=False)), self.train_examples
        dense = self.given.take(self.backend, order.reshape(-1)).dense(self.backend)
        numbers = np.arange(order.size, dtype=index).reshape(order.shape)
        return self.backend.asarray(numbers), self.inference.examples(dense, self.n_outputs)
