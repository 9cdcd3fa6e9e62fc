"""The Gaussian error linear unit, in the form with tanh."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.activations.gate import gate, gate_slope
from xpmlp.nn.ops import Ops

ROOT, CUBE = 0.7978845608028654, 0.044715
"""The square root of 2 / pi, and the factor of the cube."""

SATURATED = 10.0
"""Above this the sigmoid is 1 in float64, too, and below its negative the value is within 1e-36 of 0."""


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``z (1 + tanh(u)) / 2``, ``u = sqrt(2 / pi) (z + 0.044715 z**3)``: Hendrycks and Gimpel 2016, section 2.

    It is computed as ``z * sigmoid(2 u)``.  The ``z`` for the derivative is bounded, so that no power of it overflows.
    """
    above = ops.xp.maximum(z, -SATURATED)
    bounded = ops.xp.minimum(above, SATURATED)
    sigmoid, e = gate(ops.xp, bounded * (2 * ROOT + (2 * ROOT * CUBE) * (bounded * bounded)))
    return above * sigmoid, (bounded, sigmoid, e)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is ``s + z 2 u' s (1 - s)``, with the sigmoid ``s``."""
    z, sigmoid, e = kept
    slope = z * (2 * ROOT + (6 * ROOT * CUBE) * (z * z))
    slope *= gate_slope(e)
    slope += sigmoid
    upstream *= slope
    return upstream


GELU = Activation("gelu", forward, backward, "z (1 + tanh(0.79788 (z + 0.044715 z^3))) / 2")
