"""Softplus, a smooth relu."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation
from xpmlp.nn.ops import Ops


def _value(ops: Ops, z: Array) -> Array:
    """``log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|))``, whose exponential cannot overflow."""
    y = ops.xp.log1p(ops.xp.exp(-ops.xp.abs(z)))
    y += ops.xp.maximum(z, ops.xp.zeros_like(z))
    return y


SOFTPLUS = Activation.of_output("softplus", _value, lambda ops, y: -ops.xp.expm1(-y), "log(1 + exp(z))")
"""``log(1 + exp(z))``, whose derivative is the sigmoid, ``1 - exp(-y)``."""
