"""The hyperbolic tangent, scaled so that it is 1 at 1 and -1 at -1."""

from xpmlp.nn.activations.activation import Activation

HEIGHT, SLOPE = 1.7159, 2 / 3

SCALED_TANH = Activation.of_output(
    "scaled_tanh",
    lambda ops, z: HEIGHT * ops.xp.tanh(SLOPE * z),
    lambda ops, y: SLOPE * HEIGHT - (SLOPE / HEIGHT) * (y * y),
    "1.7159 tanh(2 z / 3)",
)
"""``1.7159 tanh(2 z / 3)``, whose derivative is ``2/3 (1.7159 - y**2 / 1.7159)``.

LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998, section 4.4.
"""
