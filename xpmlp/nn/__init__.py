"""The multilayer perceptron as array-API code: it runs on any library that follows the standard.

======================== ==========================================================================================
`layers`                 layers, one file each, and ways to join them (`xpmlp.nn.layer` defines a layer)
`Network`, `mlp`         a network as a description of its layers
`losses`, `cross_entropy` loss per example and its derivative with respect to the logits
`criteria`               criteria for comparing the epochs of a training
`Ops`, `pure_ops`        the replaceable operations and their definitions
======================== ==========================================================================================
"""

from xpmlp._typing import DenseParameters, Parameters
from xpmlp.nn.activations import Activation, activations
from xpmlp.nn.criteria import Criterion, at_temperature, criteria, inverse_temperature
from xpmlp.nn.dropout import WHOLE, as_int32
from xpmlp.nn.layer import Draw, Inputs, Layer, Widths
from xpmlp.nn.layers import layers
from xpmlp.nn.losses import Loss, Metric, cross_entropy, losses, metric_names, one_hot, softmax, weighted
from xpmlp.nn.network import LayerSpec, Network, mlp
from xpmlp.nn.ops import Ops, pure_ops

__all__ = [
    "WHOLE",
    "Activation",
    "Criterion",
    "DenseParameters",
    "Draw",
    "Inputs",
    "Layer",
    "LayerSpec",
    "Loss",
    "Metric",
    "Network",
    "Ops",
    "Parameters",
    "Widths",
    "activations",
    "as_int32",
    "at_temperature",
    "criteria",
    "cross_entropy",
    "inverse_temperature",
    "layers",
    "losses",
    "metric_names",
    "mlp",
    "one_hot",
    "pure_ops",
    "softmax",
    "weighted",
]
