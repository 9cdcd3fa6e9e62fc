"""A dense layer: ``x @ weights + biases``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from xpmlp._typing import Array, DenseParameters
from xpmlp.initializers import initializers
from xpmlp.nn.layer import Layer, LayerMaker, SentBack, Slot, Widths, numbers_of, width_of
from xpmlp.nn.layers.settings import Count, InitializerName, Positive
from xpmlp.nn.ops import Ops

if TYPE_CHECKING:
    import numpy as np


def dense(units: Count, init: InitializerName = "glorot_uniform", init_scale: Positive = 0.01) -> LayerMaker:
    """A dense layer, ``x @ weights + biases``, with biases that are initially 0.

    Parameters
    ----------
    units : int
    init : str
        How the weights are drawn: a key of `xpmlp.initializers.initializers`, which may also have the layer scale its
        input.
    init_scale : float
        The standard deviation of ``normal``; the others ignore it.
    """
    initializer = initializers[init]

    def make(widths: Widths | int) -> Layer:
        n_in = width_of(widths)
        if not n_in:
            raise ValueError("nothing reaches a dense layer: what comes before it uses neither numbers nor codes")
        scale = initializer.forward_scale(n_in)

        def fit(ops: Ops, generator: np.random.Generator, parameters: DenseParameters, x: Any) -> DenseParameters:
            assert initializer.from_data is not None
            return DenseParameters(*initializer.from_data(generator, numbers_of(x), units, scale))

        drawn = Slot("weights", n_in, units, lambda rng: initializer.draw(rng, n_in, units, init_scale))
        return Layer.of(
            "dense",
            {"units": units, "init": init, "init_scale": init_scale},
            units,
            DenseParameters(drawn, Slot("biases", 1, units)),
            partial(forward, scale),
            partial(backward, scale),
            gradients,
            descend=descend,
            fit=None if initializer.from_data is None else fit,
            fresh=True,
        )

    return make


def forward(scale: float, ops: Ops, parameters: DenseParameters, x: Any, noise: Any) -> tuple[Array, Array]:
    """``scale * x @ weights + biases``, (runs, batch, units); the residual is ``scale * x``."""
    x = numbers_of(x)
    if scale != 1:
        x = x * scale
    return ops.affine(x, *parameters), x


def backward(scale: float, ops: Ops, parameters: DenseParameters, x: Array, upstream: Array, wanted: bool) -> SentBack:
    """``scale * upstream @ weights.T``; the factors are ``x``, as `forward` kept it, and ``upstream``."""
    back = ops.multiply_transposed(upstream, parameters.weights) if wanted else None
    if back is not None and scale != 1:
        back *= scale
    return back, (x, upstream)


def gradients(ops: Ops, factors: tuple[Array, Array], divisor: Any) -> DenseParameters:
    """``x.T @ delta / divisor`` and the sum over the batch of ``delta / divisor``."""
    x, delta = factors
    mean = delta / divisor
    return DenseParameters(ops.product_of_factors(x, mean), ops.sum_over_batch(mean))


def descend(ops: Ops, parameters: DenseParameters, factors: tuple[Array, Array], scale: Array) -> DenseParameters:
    """Add ``scale`` times the product of the factors to the weights, and times the delta's sum to the biases."""
    x, delta = factors
    weights, biases = parameters
    return DenseParameters(ops.add_product(weights, x, delta, scale), ops.add_sum(biases, delta, scale))


def per_example_gradients(x: Array, delta: Array) -> DenseParameters:
    """Compute the gradient of each example's own loss: outer products of the factors.

    Returns
    -------
    gradients : DenseParameters
        Weights (runs, batch, n_in, n_out) and biases (runs, batch, 1, n_out); their mean over the batch is the result
        of `gradients`.
    """
    return DenseParameters(x[..., :, None] * delta[..., None, :], delta[..., None, :])
