"""The sigmoid linear unit, also called swish."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.activations.gate import gate, gate_slope
from xpmlp.nn.ops import Ops


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``z * sigmoid(z)``: Elfwing, Uchibe and Doya, Neural Networks 107, 2018."""
    sigmoid, e = gate(ops.xp, z)
    return z * sigmoid, (z, sigmoid, e)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is ``s + z s (1 - s)``, with the sigmoid ``s``."""
    z, sigmoid, e = kept
    slope = z * gate_slope(e)
    slope += sigmoid
    upstream *= slope
    return upstream


SILU = Activation("silu", forward, backward, "z / (1 + exp(-z))")
