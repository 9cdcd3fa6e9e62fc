"""The scaled exponential linear unit, which keeps mean 0 and variance 1 from layer to layer."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``scale * z``, and ``scale * alpha * (exp(z) - 1)`` where ``z`` is negative.

    Klambauer, Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks, NeurIPS 2017, equation 2.
    """
    xp = ops.xp
    zero = xp.zeros_like(z)
    y = (SCALE * ALPHA) * xp.expm1(xp.minimum(z, zero))
    y += SCALE * xp.maximum(z, zero)
    return y, (y,)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is ``scale``, or ``scale * alpha * exp(z) = y + scale * alpha`` where ``z`` is negative."""
    (y,) = kept
    return ops.xp.where(y > 0, SCALE * upstream, (y + SCALE * ALPHA) * upstream)


SELU = Activation("selu", forward, backward, "1.0507 z, or 1.0507 * 1.6733 (exp(z) - 1) where z < 0")
