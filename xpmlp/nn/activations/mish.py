"""Mish."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops

SATURATED = 20.0
"""Above this the factor of z is 1 in float64, too."""


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``z * tanh(log(1 + exp(z)))``: Misra, BMVC 2020.

    With ``e = exp(z)`` the factor of ``z`` is ``n / (n + 2)``, ``n = e (e + 2)``.  ``e`` and ``z`` are kept, bounded
    where the factor reaches 1, so that nothing overflows.
    """
    bounded = ops.xp.minimum(z, SATURATED)
    e = ops.xp.exp(bounded)
    n = e * (e + 2)
    return z * (n / (n + 2)), (bounded, e)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is ``(n + 4 z e (e + 1) / (n + 2)) / (n + 2)``."""
    z, e = kept
    n = e * (e + 2)
    slope = z * (4 * e * (e + 1))
    slope /= n + 2
    slope += n
    slope /= n + 2
    upstream *= slope
    return upstream


MISH = Activation("mish", forward, backward, "z tanh(log(1 + exp(z)))")
