"""The L2 penalty in scikit-learn's form: divided by the size of the batch, and a part of the reported loss."""

from __future__ import annotations

import functools
import math
import operator

from xpmlp._typing import Array
from xpmlp.backend import Fold
from xpmlp.nn import Ops
from xpmlp.optim import Hyperparameters
from xpmlp.training.step import Constants, Network, TrainingState, hyperparameters_of, take_rows


def penalized(fold: Fold, network: Network, ops: Ops, share: float) -> Fold:
    """A training fold with ``alpha / 2 * sum(W**2) / weight_sum`` added to the loss of every example.

    ``weight_sum`` is the size of the batch, by which `xpmlp.estimator.course` has divided the weight decay already, or
    the sum of its sample weights.  The core does not add the penalty to the loss.

    Parameters
    ----------
    fold : Fold
        As `xpmlp.training.step.training_fold` makes it of the network.
    network : Network
    ops : Ops
    share : float
        What the loss of the data is multiplied by: scikit-learn reports the mean over the outputs of the squared
        error, and descends along the derivative of their sum.
    """
    xp = ops.xp

    def prepare(batches: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        (rows, packed, *others), weights = batches, constants.examples.weights
        rates = Hyperparameters.unpacked(packed)
        if weights is not None and rates.weight_decay is not None:
            sums = xp.sum(take_rows(ops, weights, rows), axis=-1)
            sums = xp.where(sums > 0, sums, xp.full_like(sums, math.inf))  # a batch that does not count changes nothing
            alpha = rates.weight_decay / sums[..., None, None]
            packed = rates._replace(weight_decay=alpha, kept=1 - rates.learning_rate * alpha).packed(xp)
        return fold.prepare((rows, packed, *others), constants)

    def step(
        state: TrainingState, batch: tuple[Array, ...], constants: Constants
    ) -> tuple[TrainingState, tuple[Array, ...]]:
        alpha = hyperparameters_of(network, batch[2:], constants).weight_decay
        if alpha is None:
            return fold.step(state, batch, constants)
        vectors = (xp.reshape(layer.weights, (-1,)) for layer in state.parameters)
        squares = functools.reduce(operator.add, (xp.vecdot(vector, vector) for vector in vectors))
        penalty = squares * (0.5 * alpha)
        state, outputs = fold.step(state, batch, constants)
        return state, (*outputs, penalty)

    def conclude(batches: tuple[Array, ...], outputs: tuple[Array, ...], constants: Constants) -> tuple[Array, ...]:
        loss, *others = fold.conclude(batches, outputs[:1], constants)
        loss = share * loss
        if len(outputs) > 1:
            loss = loss + outputs[1][..., 0]
        return loss, *others

    return Fold(prepare, step, conclude)
