"""The L2 penalty in scikit-learn's form: divided by the size of the batch, and a part of the reported loss."""

from __future__ import annotations

import functools
import math
import operator

from xpmlp._typing import Array
from xpmlp.backend import Fold
from xpmlp.nn import Ops
from xpmlp.training.step import Constants, TrainingState, take_rows


def penalized(fold: Fold, ops: Ops, share: float) -> Fold:
    """A training fold with ``alpha / 2 * sum(W**2) / weight_sum`` added to the loss of every example.

    ``weight_sum`` is the size of the batch, or the sum of its sample weights.  ``alpha`` is taken from the
    hyperparameters' weight decay, which the core neither divides by the batch nor adds to the loss.

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

    def prepare(batches: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        prepared, weights = fold.prepare(batches, constants), constants.examples.weights
        if weights is None:
            return prepared
        sums = xp.sum(take_rows(ops, weights, batches[0]), axis=-1)
        sums = xp.where(sums > 0, sums, xp.full_like(sums, math.inf))  # a batch that does not count changes nothing
        return sums, *prepared

    def step(
        state: TrainingState, batch: tuple[Array, ...], constants: Constants
    ) -> tuple[TrainingState, tuple[Array, ...]]:
        if constants.examples.weights is None:
            weight_sum = batch[0].shape[-2]
        else:
            weight_sum, *rest = batch
            batch = tuple(rest)
        alpha = constants.hyperparameters.weight_decay
        if alpha is None:
            return fold.step(state, batch, constants)
        alpha = alpha / weight_sum
        constants = constants._replace(hyperparameters=constants.hyperparameters._replace(weight_decay=alpha))
        vectors = (xp.reshape(layer.weights, (-1,)) for layer in state.parameters)
        squares = functools.reduce(operator.add, (xp.vecdot(vector, vector) for vector in vectors))
        penalty = squares * (0.5 * alpha)
        state, outputs = fold.step(state, batch, constants)
        return state, (*outputs, penalty)

    def conclude(batches: tuple[Array, ...], outputs: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        if constants.hyperparameters.weight_decay is None:
            loss, *others = fold.conclude(batches, outputs, constants)
            return (share * loss, *others)
        *inner, penalty = outputs
        loss, *others = fold.conclude(batches, tuple(inner), constants)
        return (share * loss + penalty[..., None], *others)

    return Fold(prepare, step, conclude)
