"""The L2 penalty in scikit-learn's form: divided by the size of the batch, and a part of the reported loss."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

from xpmlp._typing import Array
from xpmlp.backend import Fold
from xpmlp.nn import Ops
from xpmlp.training.step import Constants, PreparedBatch, TrainingState, take_rows


def penalized(fold: Fold, ops: Ops, share: float) -> Fold:
    """A training fold with ``alpha / 2 * sum(W**2) / weight_sum`` added to the loss of every example.

    ``weight_sum`` is the size of the batch, by which `xpmlp.estimator.course` has divided the weight decay already, or
    the sum of its sample weights.  The core does not add the penalty to the loss.

    Parameters
    ----------
    fold : Fold
        As `xpmlp.training.step.training_fold` makes it.
    ops : Ops
    share : float
        What the loss of the data is multiplied by: scikit-learn reports the mean over the outputs of the squared
        error, and descends along the derivative of their sum.
    """
    xp = ops.xp

    def prepare(batches: tuple[Any, ...], constants: Constants) -> PreparedBatch:
        prepared: PreparedBatch = fold.prepare(batches, constants)
        rates, weights = prepared.hyperparameters, constants.examples.weights
        if weights is None or rates.weight_decay is None:
            return prepared
        sums = xp.sum(take_rows(ops, weights, batches[0]), axis=-1)[..., None, None]
        sums = xp.where(sums > 0, sums, xp.full_like(sums, math.inf))  # a batch that does not count changes nothing
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
