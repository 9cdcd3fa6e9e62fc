"""A dense layer of its own for each feature, which embeddings of numbers end with: stacked as runs are.

Arrays are ``(runs * features, batch, n)`` here, so that the operations for stacked runs serve.
"""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.layer import sum_over_batch
from xpmlp.nn.ops import Ops


def features_first(ops: Ops, x: Array, width: int) -> Array:
    """([runs,] batch, features * width) -> (runs * features, batch, width)."""
    xp, (*lead, batch, n) = ops.xp, x.shape
    by_feature = xp.moveaxis(xp.reshape(x, (*lead, batch, n // width, width)), -3, -2)
    return xp.reshape(by_feature, (-1, batch, width))


def features_last(ops: Ops, y: Array, lead: tuple[int, ...]) -> Array:
    """(runs * features, batch, width) -> (*lead, batch, features * width), with ``lead`` the runs, if there are any."""
    xp, (_, batch, width) = ops.xp, y.shape
    by_example = xp.moveaxis(xp.reshape(y, (*lead, -1, batch, width)), -3, -2)
    return xp.reshape(by_example, (*lead, batch, -1))


def stacked(ops: Ops, parameter: Array, rows: int) -> Array:
    """([runs,] features * rows, width) -> (runs * features, rows, width)."""
    return ops.xp.reshape(parameter, (-1, rows, parameter.shape[-1]))


def affine(ops: Ops, x: Array, weights: Array, biases: Array) -> Array:
    """``x @ weights + biases`` of each feature, (runs * features, batch, width).

    Parameters
    ----------
    x : (runs * features, batch, rows)
    weights : ([runs,] features * rows, width)
    biases : ([runs,] features, width)
    """
    return ops.affine(x, stacked(ops, weights, x.shape[-1]), stacked(ops, biases, 1))


def affine_backward(ops: Ops, delta: Array, weights: Array, rows: int) -> Array:
    """The derivative by ``x`` of `affine`, (runs * features, batch, rows)."""
    return ops.multiply_transposed(delta, stacked(ops, weights, rows))


def affine_gradients(ops: Ops, x: Array, delta: Array, weights: Array, biases: Array) -> tuple[Array, Array]:
    """The sums over the batch of the derivatives by ``weights`` and ``biases`` of `affine`, shaped as these are."""
    by_weights = ops.xp.reshape(ops.product_of_factors(x, delta), weights.shape)
    return by_weights, ops.xp.reshape(sum_over_batch(ops, delta), biases.shape)
