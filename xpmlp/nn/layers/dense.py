"""A dense layer: ``x @ weights + biases``."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpmlp._typing import Array, DenseParameters
from xpmlp.init import initializers
from xpmlp.nn.layer import Layer, LayerMaker, Slot, Widths, numbers_of, width_of
from xpmlp.nn.ops import Ops


def dense(units: int, init: str = "glorot_uniform", init_scale: float = 0.01) -> LayerMaker:
    """A dense layer whose biases begin at zero.

    Parameters
    ----------
    units : int
    init : str
        How the weights are drawn: a key of `xpmlp.init.initializers`.
    init_scale : float
        The standard deviation of ``normal``; the others ignore it.
    """
    initializer = initializers[init]

    def make(widths: Widths | int) -> Layer:
        n_in = width_of(widths)

        def first_values(generator: np.random.Generator) -> DenseParameters:
            return DenseParameters(initializer(generator, n_in, units, init_scale), np.zeros((1, units)))

        slots = DenseParameters(Slot("weights", n_in, units), Slot("biases", 1, units))
        return Layer("dense", {"units": units}, units, first_values, slots, forward, backward, gradients, descend)

    return make


def forward(ops: Ops, parameters: DenseParameters, x: Any, noise: None) -> tuple[Array, Array]:
    """``x @ weights + biases``, (runs, batch, units); the residual is ``x``."""
    x = numbers_of(x)
    return ops.affine(x, *parameters), x


def backward(
    ops: Ops, parameters: DenseParameters, x: Array, upstream: Array, wanted: bool
) -> tuple[Array | None, tuple[Array, Array]]:
    """``upstream @ weights.T``; the factors are ``x`` and ``upstream``."""
    return ops.multiply_transposed(upstream, parameters.weights) if wanted else None, (x, upstream)


def gradients(ops: Ops, factors: tuple[Array, Array], divisor: Any) -> DenseParameters:
    """``x.T @ delta / divisor`` and the sum over the batch of ``delta / divisor``."""
    x, delta = factors
    mean = delta / divisor
    return DenseParameters(ops.product_of_factors(x, mean), ops.xp.sum(mean, axis=-2, keepdims=True))


def descend(ops: Ops, parameters: DenseParameters, factors: tuple[Array, Array], rate: Any) -> DenseParameters:
    """Take the product of the factors off the weights, and the delta's sum off the biases."""
    x, delta = factors
    weights, biases = parameters
    return DenseParameters(ops.subtract_product(weights, x, delta, rate), ops.subtract_sum(biases, delta, rate))


def per_example_gradients(x: Array, delta: Array) -> DenseParameters:
    """The gradient of each example's own loss: outer products of the factors.

    Returns
    -------
    gradients : DenseParameters
        Weights (runs, batch, n_in, n_out) and biases (runs, batch, 1, n_out); their mean over the batch is what
        `gradients` gives.
    """
    return DenseParameters(x[..., :, None] * delta[..., None, :], delta[..., None, :])
