"""Softplus, a smooth relu."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|))``, whose exponential cannot overflow."""
    xp = ops.xp
    y = xp.log1p(xp.exp(-xp.abs(z)))
    y += xp.maximum(z, xp.zeros_like(z))
    return y, (y,)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is the sigmoid, ``1 - exp(-y)``."""
    (y,) = kept
    upstream *= -ops.xp.expm1(-y)
    return upstream


SOFTPLUS = Activation("softplus", forward, backward, "log(1 + exp(z))")
