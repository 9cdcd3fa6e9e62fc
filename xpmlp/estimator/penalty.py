"""The L2 penalty in scikit-learn's form: divided by the size of the batch, and a part of the reported loss."""

from __future__ import annotations

import functools
import math
import operator
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.backend import Fold
from xpmlp.nn import Ops
from xpmlp.training.step import Constants, PreparedBatch, TrainingState, take_rows


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

    def prepare(batches: tuple[Array, ...], constants: Constants) -> _Weighed:
        prepared, weights = fold.prepare(batches, constants), constants.examples.weights
        if weights is None:
            return _Weighed(prepared, None)
        sums = xp.sum(take_rows(ops, weights, batches[0]), axis=-1)
        sums = xp.where(sums > 0, sums, xp.full_like(sums, math.inf))  # a batch that does not count changes nothing
        return _Weighed(prepared, sums[..., None, None])

    def step(state: TrainingState, batch: _Weighed, constants: Constants) -> tuple[TrainingState, tuple[Array, ...]]:
        alpha = constants.hyperparameters.weight_decay
        if alpha is None:
            return fold.step(state, batch.prepared, constants)
        alpha = alpha / (batch.prepared.inputs.numbers.shape[-2] if batch.weight_sum is None else batch.weight_sum)
        constants = constants._replace(hyperparameters=constants.hyperparameters._replace(weight_decay=alpha))
        vectors = (xp.reshape(layer.weights, (-1,)) for layer in state.parameters)
        squares = functools.reduce(operator.add, (xp.vecdot(vector, vector) for vector in vectors))
        penalty = squares * (0.5 * alpha)
        state, outputs = fold.step(state, batch.prepared, constants)
        return state, (*outputs, penalty)

    def conclude(batches: tuple[Array, ...], outputs: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        if constants.hyperparameters.weight_decay is None:
            loss, *others = fold.conclude(batches, outputs, constants)
            return (share * loss, *others)
        *inner, penalty = outputs
        loss, *others = fold.conclude(batches, tuple(inner), constants)
        return (share * loss + xp.reshape(penalty, (-1, 1, 1)), *others)

    return Fold(prepare, step, conclude)


class _Weighed(NamedTuple):
    """A batch, and the sum of its examples' weights, (runs, 1, 1), if they have any."""

    prepared: PreparedBatch
    weight_sum: Array | None
