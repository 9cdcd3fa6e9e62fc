"""SGD on small batches, with the updates of the first layer delayed and made many at a time.

The largest layer of most networks is the first one, and a batch of one makes the least of it: ``x @ W`` and
``W -= rate * x.T @ d`` each pass over all weights for two operations on every number, so that the memory sets the pace.
But the inputs of the next steps are known.  With ``W`` the weights before them, step ``j`` needs

    ``x_j @ W_j = x_j @ (W - rate * sum_{i<j} x_i.T @ d_i) = (X @ W)_j - rate * sum_{i<j} (x_j @ x_i.T) d_i``,

and the right-hand side takes one product ``X @ W`` and one ``X @ X.T`` for all of them.  A step reads its rows of
``Z = X @ W`` and takes the sum off the later ones by the update ``Z -= rate * (X @ x_i.T).T @ d_i``: that is its own
update of the weights, with ``Z`` in their place and a row of ``X @ X.T`` in that of its inputs.  In the end
``W -= rate * X.T @ D`` is one product, too.  It is the same training to rounding, whose products have many rows.  If
each step has a rate of its own, each delta is multiplied by its part of the largest: ``W -= r X.T @ (r_j / r * d_j)``
with ``r = max_j r_j``.

References
----------
McDaniel, D'Azevedo, Li, Wong and Kent, Delayed Slater determinant update algorithms for high efficiency quantum Monte
Carlo, Journal of Chemical Physics 147, 174107 (2017), do so with the rank-one updates of an inverse.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from xpmlp._tree import map_leaves
from xpmlp._typing import Array, DenseParameters
from xpmlp.backend import Backend, Fold
from xpmlp.nn import Network
from xpmlp.nn.layer import Tree
from xpmlp.optim import Hyperparameters, Optimizer
from xpmlp.training.step import Constants, PreparedBatch, TrainingState, derivative, descent

ROWS = 50
"""Examples whose updates are made with one call."""

LEAST_INPUTS = 128
"""With fewer inputs than this the weights are hardly more than what is kept in their place."""


def steps_per_call(batch: int, n_in: int, most: int) -> int:
    """The steps that pay to be taken by one call with batches of this size, up to ``most``; 1 if delays do not pay."""
    return max(1, ROWS // batch) if n_in >= LEAST_INPUTS and batch <= most else 1


class _Delayed(NamedTuple):
    """The batch of a step whose updates of the first layer are delayed; as `PreparedBatch`, but for the inputs.

    Attributes
    ----------
    positions : (batch,)
        Of its examples among those of all the steps.
    similarities : (runs, batch, steps * batch)
        Scalar products of their inputs with those of all.
    hyperparameters : Hyperparameters, or ()
        None of a step's own if they do not change from step to step: the scan's constants are those of all.
    """

    positions: Array
    similarities: Array
    targets: Array
    weights: Array | None
    noise: Tree
    hyperparameters: Hyperparameters | tuple[()]


def delay_updates(
    fold: Fold, network: Network, optimizer: Optimizer, backend: Backend, per_call: int, by_step: bool
) -> Fold:
    """Make of a training fold of plain SGD one that takes several steps with a call.

    Parameters
    ----------
    fold : Fold
        As `xpmlp.training.step.training_fold` makes it of the same network and optimiser.
    network : Network
        A chain whose first layer is dense.
    optimizer : Optimizer
        `xpmlp.optim.sgd`, which takes factors, is linear in the weights and keeps no state.
    backend : Backend
    per_call : int
        At least 2.
    by_step : bool
        Whether rates or weight decay change from step to step.

    Returns
    -------
    fold : (state, (rows, hyperparameters[, numbers[, parts]]), constants) -> (state, (loss, score))
        As the given one, but ``rows`` is (steps / per_call, per_call, runs, batch), the others and the results
        likewise, and the constants have ``positions``.
    """
    ops, xp, others = backend.ops, backend.ops.xp, network.after_first
    assert others is not None
    delta_of, descend = derivative(network, ops), descent(network, optimizer, ops)

    def step(state: TrainingState, batch: _Delayed, shared: Hyperparameters) -> tuple[TrainingState, tuple[Array, ...]]:
        first, *parameters = state.parameters
        preactivation = xp.take(first.weights, batch.positions, axis=-2)
        preactivation += first.biases
        logits, residuals = others.forward(ops, parameters, preactivation, batch.noise[1:])
        delta = delta_of(logits, batch.targets, batch.weights)
        delta, factors = others.backward(ops, parameters, residuals, delta, True)
        factors = [(batch.similarities, delta), *factors]
        return descend(state, factors, logits.shape[-2], batch.hyperparameters or shared), (logits, delta)

    def steps(
        state: TrainingState, batch: PreparedBatch, constants: Constants
    ) -> tuple[TrainingState, tuple[Array, ...]]:
        x, rates = batch.inputs.numbers, batch.hyperparameters
        count = x.shape[0]
        (weights, biases), *parameters = state.parameters
        inputs = _joined(xp, x)
        ahead = ops.affine(inputs, weights, xp.zeros_like(biases))
        similarities = _divided(xp, ops.multiply_transposed(inputs, inputs), count)
        assert constants.positions is not None
        positions = constants.positions[:count, ...]
        virtual = TrainingState([DenseParameters(ahead, biases), *parameters], state.optimizer)
        own = rates._replace(kept_per_call=None)
        shared = map_leaves(lambda series: series[0, ...], own)
        delayed = _Delayed(positions, similarities, batch.targets, batch.weights, batch.noise, own if by_step else ())
        (updated, memory), (logits, deltas) = backend.scan(step, virtual, delayed, shared)
        assert rates.descent is not None
        scale, left = rates.descent[0, ...], rates.kept_per_call
        if by_step:
            scale = xp.min(rates.descent, axis=0)
            parts = rates.descent / xp.where(scale < 0, scale, xp.ones_like(scale))
            deltas = deltas * (parts if left is None else parts * _after(xp, left))
        deltas = _joined(xp, deltas)
        if left is not None:  # decay shrinks what a step has added in every step after that
            weights *= left[0, ...]
            if rates.kept is not None and not by_step:
                deltas *= rates.kept[0, ...] ** _steps_after(xp, positions, deltas)
        weights = ops.add_product(weights, inputs, deltas, scale)
        return TrainingState([DenseParameters(weights, updated[0].biases), *updated[1:]], memory), (logits,)

    return Fold(fold.prepare, steps, fold.conclude, per_call)


def _joined(xp: Any, series: Array) -> Array:
    """(count, runs, batch, width) as (runs, count * batch, width)."""
    count, runs, batch, width = series.shape
    return xp.reshape(xp.moveaxis(series, 0, 1), (runs, count * batch, width))


def _divided(xp: Any, matrix: Array, count: int) -> Array:
    """(runs, count * batch, width) as (count, runs, batch, width)."""
    runs, rows, width = matrix.shape
    return xp.moveaxis(xp.reshape(matrix, (runs, count, rows // count, width)), 1, 0)


def _after(xp: Any, left: Array) -> Array:
    """The part of the weights that the steps after each one leave, from what it and they leave: (count, runs, 1, 1)."""
    return xp.concat([left[1:, ...], xp.ones_like(left[:1, ...])])


def _steps_after(xp: Any, positions: Array, deltas: Array) -> Array:
    """The number of steps after the one of each row: (rows, 1), in the dtype of ``deltas``."""
    count, batch = positions.shape
    flat = xp.astype(xp.reshape(positions, (math.prod(positions.shape), 1)), deltas.dtype)
    return count - 1 - xp.floor(flat / batch)
