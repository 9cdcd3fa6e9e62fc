"""The identity: a layer without an activation function."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.activations.activation import Activation, Kept
from xpmlp.nn.ops import Ops


def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
    """``z``."""
    return z, ()


def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
    """The derivative is 1."""
    return upstream


IDENTITY = Activation("identity", forward, backward, "z", "identity")
