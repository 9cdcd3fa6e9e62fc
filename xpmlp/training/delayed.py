"""SGD on small batches, with the updates of the first layer delayed and applied many at a time.

The largest layer of most networks is the first one, and batches of one use it least efficiently: ``x @ W`` and
``W -= rate * x.T @ d`` each pass over all weights for two operations on every number, so that memory bandwidth is the
bottleneck.  But the inputs of the next steps are known.  With ``W`` the weights before them, step ``j`` needs

    ``x_j @ W_j = x_j @ (W - rate * sum_{i<j} x_i.T @ d_i) = (X @ W)_j - rate * sum_{i<j} (x_j @ x_i.T) d_i``,

and the right-hand side takes one product ``X @ W`` and one ``X @ X.T`` for all of them.  A step reads its rows of
``Z = X @ W`` and subtracts its term from the later rows by the update ``Z -= rate * (X @ x_i.T).T @ d_i``: its usual
update of the weights, with ``Z`` in place of the weights and a row of ``X @ X.T`` in place of its inputs.  In the end
``W -= rate * X.T @ D`` is one product, too.  The training is the same up to rounding, but its products have many rows.
If each step has a rate of its own, each delta is multiplied by the ratio of its rate to the largest:
``W -= r X.T @ (r_j / r * d_j)`` with ``r = max_j r_j``.

References
----------
McDaniel, D'Azevedo, Li, Wong and Kent, Delayed Slater determinant update algorithms for high efficiency quantum Monte
Carlo, Journal of Chemical Physics 147, 174107 (2017), delay the rank-one updates of an inverse in the same way.
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
"""Number of examples whose updates are applied with one call."""

LEAST_INPUTS = 128
"""Minimum number of inputs: with fewer, the weights are hardly larger than the arrays kept in their place."""


def steps_per_call(batch: int, n_in: int, most: int) -> int:
    """Return the number of steps to take with one call; 1 if delays do not pay, as with batches above ``most``."""
    return max(1, ROWS // batch) if n_in >= LEAST_INPUTS and batch <= most else 1


class _Delayed(NamedTuple):
    """Batch of a step with delayed updates of the first layer; like `PreparedBatch`, except for the inputs.

    Attributes
    ----------
    positions : (batch,)
        Positions of its examples among those of all the steps.
    similarities : (runs, batch, steps * batch)
        Scalar products of their inputs with the inputs of all the steps.
    hyperparameters : Hyperparameters, or ()
        Empty if they do not change from step to step: then all steps use those in the scan's constants.
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
    """Convert a training fold of plain SGD to one that takes several steps per call.

    Parameters
    ----------
    fold : Fold
        From `xpmlp.training.step.training_fold`, for the same network and optimiser.
    network : Network
        A chain whose first layer is dense.
    optimizer : Optimizer
        `xpmlp.optim.sgd`, which takes factors, is linear in the weights and keeps no state.
    backend : Backend
    per_call : int
        Steps per call, at least 2.
    by_step : bool
        Whether rates or weight decay change from step to step.

    Returns
    -------
    fold : (state, (rows, hyperparameters[, numbers[, parts]]), constants) -> (state, (loss, score))
        Like the given one, except that ``rows`` is (steps / per_call, per_call, runs, batch), likewise the other
        arguments and the results, and that the constants have ``positions``.
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
        if left is not None:  # decay shrinks a step's update in every later step
            weights *= left[0, ...]
            if rates.kept is not None and not by_step:
                deltas *= rates.kept[0, ...] ** _steps_after(xp, positions, deltas)
        weights = ops.add_product(weights, inputs, deltas, scale)
        return TrainingState([DenseParameters(weights, updated[0].biases), *updated[1:]], memory), (logits,)

    return Fold(fold.prepare, steps, fold.conclude, per_call)


def _joined(xp: Any, series: Array) -> Array:
    """Reshape (count, runs, batch, width) to (runs, count * batch, width)."""
    count, runs, batch, width = series.shape
    return xp.reshape(xp.moveaxis(series, 0, 1), (runs, count * batch, width))


def _divided(xp: Any, matrix: Array, count: int) -> Array:
    """Reshape (runs, count * batch, width) to (count, runs, batch, width)."""
    runs, rows, width = matrix.shape
    return xp.moveaxis(xp.reshape(matrix, (runs, count, rows // count, width)), 1, 0)


def _after(xp: Any, left: Array) -> Array:
    """Convert the parts of the weights kept from each step onwards to those kept after it: (count, runs, 1, 1)."""
    return xp.concat([left[1:, ...], xp.ones_like(left[:1, ...])])


def _steps_after(xp: Any, positions: Array, deltas: Array) -> Array:
    """Return the number of steps after each row's own, (rows, 1), in the dtype of ``deltas``."""
    count, batch = positions.shape
    flat = xp.astype(xp.reshape(positions, (math.prod(positions.shape), 1)), deltas.dtype)
    return count - 1 - xp.floor(flat / batch)
