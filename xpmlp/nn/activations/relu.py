"""The rectified linear unit."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``max(z, 0)``."""
    # maximum, not where(z > 0, z, 0): a NaN has to stay one, or a divergence would go unseen
    y = ops.xp.maximum(z, ops.xp.zeros_like(z))
    return y, (y,)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is 1 where ``y > 0``, and 0 elsewhere, also at 0."""
    (y,) = kept
    upstream *= ops.xp.astype(y > 0, upstream.dtype)
    return upstream


RELU = Activation("relu", forward, backward, "max(z, 0)", "relu")
