"""The exponential linear unit."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``z``, and ``exp(z) - 1`` where that is negative: Clevert, Unterthiner and Hochreiter, ICLR 2016.

    Their alpha is 1.  The larger of ``z`` and ``exp(min(z, 0)) - 1`` is that, since ``exp(z) - 1 >= z``.
    """
    y = ops.xp.maximum(z, ops.xp.expm1(ops.xp.minimum(z, ops.xp.zeros_like(z))))
    return y, (y,)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is 1, or ``exp(z) = y + 1`` where ``z`` is negative."""
    (y,) = kept
    upstream *= ops.xp.minimum(y, ops.xp.zeros_like(y)) + 1
    return upstream


ELU = Activation("elu", forward, backward, "z, or exp(z) - 1 where z < 0")
