"""The hyperbolic tangent, scaled so that it is 1 at 1 and -1 at -1."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops

HEIGHT, SLOPE = 1.7159, 2 / 3


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``1.7159 tanh(2 z / 3)``: LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998, section 4.4."""
    y = HEIGHT * ops.xp.tanh(SLOPE * z)
    return y, (y,)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is ``2/3 (1.7159 - y**2 / 1.7159)``."""
    (y,) = kept
    upstream *= SLOPE * HEIGHT - (SLOPE / HEIGHT) * (y * y)
    return upstream


SCALED_TANH = Activation("scaled_tanh", forward, backward, "1.7159 tanh(2 z / 3)")
