"""The hyperbolic tangent."""

from xpmlp.nn.activations.activation import Activation

TANH = Activation.of_output("tanh", lambda ops, z: ops.xp.tanh(z), lambda ops, y: 1 - y * y, "tanh(z)", "tanh")
"""``tanh(z)``, whose derivative is ``1 - y**2``."""
