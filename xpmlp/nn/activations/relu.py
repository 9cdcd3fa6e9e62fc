"""The rectified linear unit."""

from xpmlp.nn.activations.activation import Activation

RELU = Activation.of_output(
    "relu",
    # maximum, not where(z > 0, z, 0): a NaN has to stay one, or a divergence would go unseen
    lambda ops, z: ops.xp.maximum(z, ops.xp.zeros_like(z)),
    lambda ops, y: ops.xp.astype(y > 0, y.dtype),
    "max(z, 0)",
    "relu",
)
"""``max(z, 0)``, whose derivative is 1 where ``y > 0``, and 0 elsewhere, also at 0."""
