"""The logistic sigmoid."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``1 / (1 + exp(-z))``; see `xpmlp.nn.ops.sigmoid` for its accuracy."""
    y = ops.sigmoid(z)
    return y, (y,)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is ``y (1 - y)``."""
    return ops.sigmoid_backward(upstream, *kept)


SIGMOID = Activation("sigmoid", forward, backward, "1 / (1 + exp(-z))", "logistic")
