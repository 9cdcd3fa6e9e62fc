"""The rectified linear unit with a slope on its negative side, too."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops

SLOPE = 0.01


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``max(z, 0.01 z)``: Maas, Hannun and Ng, Rectifier nonlinearities, ICML 2013."""
    y = ops.xp.maximum(z, SLOPE * z)
    return y, (y,)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is 1 where ``y > 0``, and 0.01 elsewhere."""
    (y,) = kept
    return ops.xp.where(y > 0, upstream, SLOPE * upstream)


LEAKY_RELU = Activation("leaky_relu", forward, backward, "max(z, 0.01 z)")
