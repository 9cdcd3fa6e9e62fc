"""Inverse of the bend that keeps a table's numbers between -3 and 3."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops

BEND = 3.0
"""Bound of bent numbers, ``x / sqrt(1 + (x / 3)^2)``: see `xpmlp.data.tables.features`."""

MOST = 2.85
"""Numbers are clipped to this, 9.13 before the bend, since rounding errors grow without limit towards 3."""


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``3 c / sqrt((3 - c) (3 + c))``, where ``c`` is ``z`` between -2.85 and 2.85, and ``3 - c`` is exact."""
    clipped = ops.xp.maximum(ops.xp.minimum(z, MOST), -MOST)
    root = ops.xp.sqrt((BEND - clipped) * (BEND + clipped))
    return BEND * clipped / root, (z, clipped, root)


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is ``27 / ((3 - z) (3 + z))^(3/2)``, and 0 beyond 2.85."""
    z, clipped, root = kept
    slope = BEND**3 * ops.xp.astype(z == clipped, upstream.dtype)
    slope /= root * root * root
    return upstream * slope


UNBENT = Activation("unbent", forward, backward, "z / sqrt(1 - (z / 3)^2), with z from -2.85 to 2.85")
