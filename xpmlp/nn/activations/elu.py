"""The exponential linear unit."""

from xpmlp.nn.activations.activation import Activation

ELU = Activation.of_output(
    "elu",
    lambda ops, z: ops.xp.maximum(z, ops.xp.expm1(ops.xp.minimum(z, ops.xp.zeros_like(z)))),
    lambda ops, y: ops.xp.minimum(y, ops.xp.zeros_like(y)) + 1,
    "z, or exp(z) - 1 where z < 0",
)
"""``z``, and ``exp(z) - 1`` where that is negative: Clevert, Unterthiner and Hochreiter, ICLR 2016.

Their alpha is 1.  The larger of ``z`` and ``exp(min(z, 0)) - 1`` is that, since ``exp(z) - 1 >= z``.  The derivative is
1, or ``exp(z) = y + 1`` where ``z`` is negative.
"""
