"""The multilayer perceptron as array-API code: it runs on any library that follows the standard.

======================== ==========================================================================================
`forward`                the activations of every layer
`forward_from`           the same from the first layer's pre-activation on
`losses`, `cross_entropy` loss per example and its derivative by the logits
`backward`               the derivative by every layer's pre-activation
`gradients`              mean gradients from the two lists of factors
`per_example_gradients`  each example's own gradients from the same factors
`dropout_masks`          what dropout leaves of the hidden layers, by a counter hash
`Ops`, `pure_ops`        the replaceable operations and their definitions
======================== ==========================================================================================
"""

from xpmlp._typing import DenseParameters, Parameters
from xpmlp.nn.activations import Activation, activations
from xpmlp.nn.dropout import WHOLE, Counters, Mask, as_int32, dropout_masks
from xpmlp.nn.losses import Loss, Metric, cross_entropy, losses, metric_names, one_hot, softmax, weighted
from xpmlp.nn.network import backward, forward, forward_from, gradients, per_example_gradients
from xpmlp.nn.ops import Ops, pure_ops

__all__ = [
    "WHOLE",
    "Activation",
    "Counters",
    "DenseParameters",
    "Loss",
    "Mask",
    "Metric",
    "Ops",
    "Parameters",
    "activations",
    "as_int32",
    "backward",
    "cross_entropy",
    "dropout_masks",
    "forward",
    "forward_from",
    "gradients",
    "losses",
    "metric_names",
    "one_hot",
    "per_example_gradients",
    "pure_ops",
    "softmax",
    "weighted",
]
