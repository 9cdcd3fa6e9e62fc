"""A dense layer: ``x @ weights + biases``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._typing import Array, DenseParameters
from xpmlp.nn.layer import Layer, LayerMaker, Widths, numbers_of, width_of
from xpmlp.nn.ops import Ops

Initializer = Callable[[np.random.Generator, int, int], npt.NDArray[np.float64]]


def dense(units: int, initializer: Initializer) -> LayerMaker:
    """A dense layer whose biases begin at zero.

    Parameters
    ----------
    units : int
    initializer : (generator, n_in, n_out) -> weights (n_in, n_out)
    """

    def make(widths: Widths | int) -> Layer:
        n_in = width_of(widths)

        def init(generator: np.random.Generator) -> DenseParameters:
            return DenseParameters(initializer(generator, n_in, units), np.zeros((1, units)))

        kinds = DenseParameters("weights", "biases")
        return Layer("dense", {"units": units}, units, init, kinds, forward, backward, gradients, descend)

    return make


def forward(ops: Ops, parameters: DenseParameters, x: Any, noise: None) -> tuple[Array, Array]:
    """``x @ weights + biases``, (runs, batch, units); the residual is ``x``."""
    x = numbers_of(x)
    return ops.affine(x, *parameters), x


def backward(
    ops: Ops, parameters: DenseParameters, x: Array, upstream: Array, wanted: bool
) -> tuple[Array | None, tuple[Array, Array]]:
    """``upstream @ weights.T``; the factors are the input and the delta, (runs, batch, n_in) and (runs, batch, units)."""
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
