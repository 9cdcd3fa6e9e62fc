"""CuPy's faster equals: elementwise chains as one kernel each, and the update as one product added into the weights.

A small step on a GPU is bound by the number of kernels that the host launches, some microseconds each.  The chains are
the definitions' own formulas, which `cupy.fuse` compiles to a kernel for each dtype.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from xpmlp._typing import Array
from xpmlp.errors import BackendError
from xpmlp.nn import Ops

TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
"""How far a fused operation may be from its definition: products are summed in another order."""


def with_fused(ops: Ops, cupy: Any, cublas: Any) -> Ops:
    """``ops`` with what pays on a GPU replaced."""

    def sigmoid(x: Array) -> Array:
        return 0.5 * cupy.tanh(0.5 * x) + 0.5

    def sigmoid_backward(upstream: Array, activation: Array) -> Array:
        return upstream * activation * (1 - activation)

    def exp_of_difference(x: Array, largest: Array) -> Array:
        return cupy.exp(x - largest)

    def scaled_difference(x: Array, y: Array, rate: Array) -> Array:
        return x - rate * y

    return ops._replace(
        sigmoid=cupy.fuse(sigmoid),
        sigmoid_backward=cupy.fuse(sigmoid_backward),
        softmax=partial(_softmax, ops.xp, cupy.fuse(exp_of_difference)),
        subtract_product=partial(_subtract_product, cublas, ops),
        subtract_sum=partial(_subtract_sum, ops.xp, cupy.fuse(scaled_difference)),
    )


def _softmax(xp: Any, exp_of_difference: Any, logits: Array) -> Array:
    probabilities = exp_of_difference(logits, xp.max(logits, axis=-1, keepdims=True))
    probabilities /= xp.sum(probabilities, axis=-1, keepdims=True)
    return probabilities


def _subtract_product(
    cublas: Any, ops: Ops, weights: Array, activation: Array, delta: Array, rate: float | Array
) -> Array:
    if weights.ndim > 2 or not isinstance(rate, float) or not weights.flags.c_contiguous:
        weights -= rate * ops.product_of_factors(activation, delta)
    else:
        cublas.gemm("T", "N", activation, delta, out=weights, alpha=-rate, beta=1.0)
    return weights


def _subtract_sum(xp: Any, scaled_difference: Any, biases: Array, delta: Array, rate: float | Array) -> Array:
    biases[...] = scaled_difference(biases, xp.sum(delta, axis=-2, keepdims=True), rate)
    return biases


def check(ops: Ops, definitions: Ops, dtype_name: str) -> None:
    """Hold every fused operation against its definition on the GPU that is there: compilers and drivers differ.

    Raises
    ------
    BackendError
        If one differs, with the way to train without them.
    """
    xp, rng = ops.xp, np.random.default_rng(0)

    def array(*shape: int) -> Array:
        return xp.asarray(rng.uniform(-1.0, 1.0, shape), dtype=getattr(xp, dtype_name))

    weights, biases, x, delta = array(5, 3), array(1, 3), array(4, 5), array(4, 3)
    arguments: dict[str, tuple[Any, ...]] = {
        "sigmoid": (delta,),
        "sigmoid_backward": (delta, array(4, 3)),
        "softmax": (delta,),
        "subtract_product": (weights, x, delta, 0.3),
        "subtract_sum": (biases, delta, 0.3),
    }
    for name, operands in arguments.items():
        found, defined = (
            getattr(which, name)(*(one if isinstance(one, float) else xp.asarray(one, copy=True) for one in operands))
            for which in (ops, definitions)
        )
        if found.dtype != defined.dtype or float(xp.max(xp.abs(found - defined))) > TOLERANCE[dtype_name]:
            raise BackendError(
                f"CuPy's fused {name} is not what its definition gives on this GPU: set backend.fused = false."
            )
