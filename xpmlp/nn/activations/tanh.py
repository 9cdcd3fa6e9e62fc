"""The hyperbolic tangent."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``tanh(z)``."""
    y = ops.xp.tanh(z)
    return y, (y,)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is ``1 - y**2``."""
    (y,) = kept
    upstream *= 1 - y * y
    return upstream


TANH = Activation("tanh", forward, backward, "tanh(z)", "tanh")
