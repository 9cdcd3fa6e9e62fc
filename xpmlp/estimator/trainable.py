"""An estimator's trainable: its network and optimiser, and scikit-learn's penalty in the loss."""

from __future__ import annotations

import functools
import math
import operator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend, Fold
from xpmlp.estimator.samples import EstimatorInference, Samples, inference_of, is_sparse, stretch
from xpmlp.nn import Network, Ops
from xpmlp.optim import Optimizer, optimizers
from xpmlp.training.policy import RunPolicy
from xpmlp.training.step import Constants, Examples, PreparedBatch, TrainingState, take_rows, training_fold
from xpmlp.training.trainable import LoopSettings, Trainable

SEGMENT_STEPS = 500
"""Steps between two readings of results from the device."""


class OptimizerChoice(NamedTuple):
    """An optimiser by name, with its constants by name."""

    name: str
    constants: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, estimator: Any) -> OptimizerChoice:
        """Choose the first optimiser in the table that matches an estimator's parameters."""
        for name, record in optimizers.items():
            meant = record.scikit_learn
            if meant is not None and all(getattr(estimator, key) == value for key, value in meant.items()):
                return cls(name, tuple(record.constants(estimator).items()))
        return cls("sgd")  # for L-BFGS, which uses none

    def make(self, kinds: Any) -> Optimizer:
        """Build the optimiser of a network with parameters of these kinds."""
        return optimizers[self.name].make(kinds, None, **dict(self.constants))


@functools.lru_cache(maxsize=64)
def _training_fold(network: Network, choice: OptimizerChoice, backend: Backend, share: float) -> Fold:
    """Build the fold shared by all trainings with the same arguments, so that JAX compiles it once."""
    optimizer = choice.make(network.root.kinds)
    return penalized(training_fold(network, optimizer, backend.ops, backend.dtype), backend.ops, share)


@dataclass(frozen=True)
class EstimatorTrainable(Trainable):
    """The trainable of an estimator and its samples.

    Attributes
    ----------
    estimator : MLPClassifier or MLPRegressor
        With initial weights.
    backend : Backend
    samples : Samples
    rows : (n_examples,)
        The indices of the samples to train on.
    held_out : Samples or None
        The samples to evaluate after each epoch.
    epochs, batch_size : int
    """

    estimator: Any
    backend: Backend
    samples: Samples
    rows: npt.NDArray[np.int64]
    held_out: Samples | None = None
    epochs: int = 1
    batch_size: int = 1

    @cached_property
    def network(self) -> Network:
        """The network of the initial weights."""
        network: Network = self.estimator._network()
        return network

    @cached_property
    def choice(self) -> OptimizerChoice:
        """The optimiser's name and constants."""
        return OptimizerChoice.of(self.estimator)

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimiser, which also reads the penalty's hyperparameters."""
        made = self.choice.make(self.network.root.kinds)
        return made._replace(reads=(*made.reads, "learning_rate", "weight_decay"))

    @property
    def settings(self) -> LoopSettings:
        """The loop's settings, with stretches short enough for sparse rows to fit the memory."""
        return LoopSettings(
            self.epochs, self.batch_size, stretch(self.samples.features, self.batch_size, SEGMENT_STEPS)
        )

    @property
    def policy(self) -> RunPolicy:
        """The core's policy; scikit-learn's needs the state of the previous training, and is built by the caller."""
        return RunPolicy(self)

    @property
    def train_part(self) -> Samples:
        """All samples; ``rows`` selects those to train on."""
        return self.samples

    @property
    def validation_part(self) -> Samples | None:
        """The samples to validate with, or None."""
        return self.held_out

    @property
    def n_examples(self) -> int:
        """The number of training examples in an epoch."""
        return len(self.rows)

    @property
    def share(self) -> float:
        """The factor of scikit-learn's reported loss: for squared errors the mean over outputs, instead of the sum."""
        return 1 / self.network.root.width if self.network.loss.scikit_learn == "squared_error" else 1.0

    @property
    def inference(self) -> EstimatorInference:
        """The network's inference."""
        return inference_of(self.network, self.backend)

    @property
    def training_fold(self) -> Fold:
        """The core's training fold, with the penalty."""
        return _training_fold(self.network, self.choice, self.backend, self.share)

    @cached_property
    def initial(self) -> Parameters:
        """The initial weights, on any device."""
        return self.estimator._parameters()

    def initial_parameters(self, seed: int) -> Parameters:
        """Return the initial weights; the seed was used when they were drawn."""
        return self.initial

    def fetch(self, order: npt.NDArray[np.int64]) -> tuple[Array, Examples]:
        """Return row numbers on the device, and the examples they index: for sparse features, only these rows."""
        if not is_sparse(self.samples.features):
            return super().fetch(order)
        index = self.backend.index_dtype_name
        numbers = np.arange(order.size, dtype=index).reshape(order.shape)
        dense = self.samples.dense(self.backend, order.reshape(-1))
        return self.backend.asarray(numbers), self.inference.to_device(dense)


def penalized(fold: Fold, ops: Ops, share: float) -> Fold:
    """Add scikit-learn's penalty, ``alpha / 2 * sum(W**2) / divisor``, to the loss of every example.

    ``divisor`` is the size of the batch, by which `xpmlp.estimator.policy` has already divided the weight decay, or the
    sum of its sample weights.  The core does not add the penalty to the loss.

    Parameters
    ----------
    fold : Fold
        From `xpmlp.training.step.training_fold`.
    ops : Ops
    share : float
        The factor applied to the loss of the data: scikit-learn reports the mean over the outputs of the squared
        error, and descends along the derivative of their sum.
    """
    xp = ops.xp

    def prepare(batches: tuple[Any, ...], constants: Constants) -> PreparedBatch:
        prepared: PreparedBatch = fold.prepare(batches, constants)
        rates, weights = prepared.hyperparameters, constants.examples.weights
        if weights is None or rates.weight_decay is None:
            return prepared
        sums = xp.sum(take_rows(ops, weights, batches[0]), axis=-1)[..., None, None]
        sums = xp.where(sums > 0, sums, xp.full_like(sums, math.inf))  # a batch of weight 0 changes nothing
        alpha = rates.weight_decay / sums
        rates = rates._replace(weight_decay=alpha, kept=1 - rates.learning_rate * alpha)
        return prepared._replace(hyperparameters=rates)

    def step(
        state: TrainingState, batch: PreparedBatch, constants: Constants
    ) -> tuple[TrainingState, tuple[Array, ...]]:
        alpha = batch.hyperparameters.weight_decay
        if alpha is None:
            return fold.step(state, batch, constants)
        vectors = (xp.reshape(layer.weights, (-1,)) for layer in state.parameters)
        squares = functools.reduce(operator.add, (xp.vecdot(vector, vector) for vector in vectors))
        penalty = squares * (0.5 * alpha)
        state, outputs = fold.step(state, batch, constants)
        return state, (*outputs, penalty)

    def conclude(batches: tuple[Any, ...], outputs: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        loss, *others = fold.conclude(batches, outputs[:1], constants)
        loss = share * loss
        if len(outputs) > 1:
            loss = loss + xp.reshape(outputs[1], (-1, 1, 1))
        return loss, *others

    return Fold(prepare, step, conclude)
