"""Activations and layers in ONNX operators: one function each, in two tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.export.graph import Graph, f32, shape
from xpmlp.export.tree import LayerNode
from xpmlp.nn.activations.gelu import CUBE, ROOT, SATURATED
from xpmlp.nn.activations.leaky_relu import SLOPE as LEAKY
from xpmlp.nn.activations.scaled_tanh import HEIGHT, SLOPE
from xpmlp.nn.activations.selu import ALPHA, SCALE
from xpmlp.nn.activations.unbent import BEND, MOST


class Batch(NamedTuple):
    """Names of a layer's input tensors: numbers (rows, n) and, for a first layer, codes (N, columns)."""

    numbers: str
    codes: str | None = None


def _gelu(graph: Graph, z: str) -> str:
    above = graph("Max", z, f32(-SATURATED))
    bounded = graph("Min", above, f32(SATURATED))
    inner = graph("Add", f32(2 * ROOT), graph("Mul", f32(2 * ROOT * CUBE), graph("Mul", bounded, bounded)))
    return graph("Mul", above, graph("Sigmoid", graph("Mul", bounded, inner)))


def _scaled_tanh(graph: Graph, z: str) -> str:
    return graph("Mul", f32(HEIGHT), graph("Tanh", graph("Mul", f32(SLOPE), z)))


def _unbent(graph: Graph, z: str) -> str:
    clipped = graph("Min", graph("Max", z, f32(-MOST)), f32(MOST))
    left = graph("Mul", graph("Sub", f32(BEND), clipped), graph("Add", f32(BEND), clipped))
    return graph("Div", graph("Mul", f32(BEND), clipped), graph("Sqrt", left))


ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "identity": lambda graph, z: z,
    "sigmoid": lambda graph, z: graph("Sigmoid", z),
    "tanh": lambda graph, z: graph("Tanh", z),
    "relu": lambda graph, z: graph("Relu", z),
    "leaky_relu": lambda graph, z: graph("LeakyRelu", z, alpha=LEAKY),
    "elu": lambda graph, z: graph("Elu", z),
    "selu": lambda graph, z: graph("Selu", z, alpha=ALPHA, gamma=SCALE),
    "gelu": _gelu,
    "silu": lambda graph, z: graph("Mul", z, graph("Sigmoid", z)),
    "mish": lambda graph, z: graph("Mish", z),
    "softplus": lambda graph, z: graph("Softplus", z),
    "scaled_tanh": _scaled_tanh,
    "unbent": _unbent,
}


def layer(graph: Graph, node: LayerNode, x: Batch) -> str:
    """Add a layer to a graph; return the name of its output (rows, width)."""
    return LAYERS[node.kind](graph, node, x)


def _chain(graph: Graph, node: LayerNode, x: Batch) -> str:
    for one in node.layers:
        x = Batch(layer(graph, one, x))
    return x.numbers


def _joined(graph: Graph, node: LayerNode, x: Batch, axis: int) -> str:
    return graph("Concat", *(layer(graph, one, x) for one in node.layers), axis=axis)


def _dense(graph: Graph, node: LayerNode, x: Batch) -> str:
    weights, biases = node.parameters
    return graph("Gemm", x.numbers, f32(weights * node.settings["scale"]), f32(biases))


def _adapters(graph: Graph, node: LayerNode, x: Batch) -> str:
    weights, inputs, outputs, biases = map(f32, node.parameters)
    members, n_in = inputs.shape
    apart = graph("Reshape", x.numbers, shape(members, -1, n_in))
    product = graph("MatMul", graph("Mul", apart, inputs[:, None]), weights)
    y = graph("Add", graph("Mul", product, outputs[:, None]), biases[:, None])
    return graph("Reshape", y, shape(-1, outputs.shape[1]))


def _repeat(graph: Graph, node: LayerNode, x: Batch) -> str:
    return graph("Tile", x.numbers, shape(node.settings["members"], 1))


def _normalisation(graph: Graph, node: LayerNode, x: Batch) -> str:
    scales, biases = (f32(one[0]) for one in node.parameters)
    return graph("LayerNormalization", x.numbers, scales, biases, epsilon=node.settings["epsilon"])


def _parametric(graph: Graph, node: LayerNode, x: Batch) -> str:
    z = x.numbers
    change = graph("Sub", ACTIVATIONS[node.settings["name"]](graph, z), z)
    return graph("Add", z, graph("Mul", f32(node.parameters), change))


def _by_feature(graph: Graph, values: str, weights: npt.NDArray[Any], biases: npt.NDArray[Any]) -> str:
    """Add a separate dense layer for each feature's values (rows, features, n)."""
    features, width = biases.shape
    stacked = graph("Transpose", values, perm=[1, 0, 2])
    product = graph("MatMul", stacked, f32(weights.reshape(features, -1, width)))
    y = graph("Transpose", graph("Add", product, f32(biases[:, None])), perm=[1, 0, 2])
    return graph("Reshape", y, shape(-1, features * width))


def _periodic(graph: Graph, node: LayerNode, x: Batch) -> str:
    frequencies, phases, weights, biases = node.parameters
    turned = graph("Mul", graph("Unsqueeze", x.numbers, shape(2)), f32(2 * math.pi * frequencies))
    return _by_feature(graph, graph("Cos", graph("Add", turned, f32(phases))), weights, biases)


def _piecewise_linear(graph: Graph, node: LayerNode, x: Batch) -> str:
    (begins, slopes, lower, upper), weights, biases = node.parameters
    free = graph("Mul", graph("Sub", graph("Unsqueeze", x.numbers, shape(2)), f32(begins)), f32(slopes))
    return _by_feature(graph, graph("Min", graph("Max", free, f32(lower)), f32(upper)), weights, biases)


def _embedding(graph: Graph, node: LayerNode, x: Batch) -> str:
    assert x.codes is not None
    columns, (rows,) = node.settings["columns"], node.parameters
    numbers = graph("Add", graph("Gather", x.codes, shape(*columns), axis=1), shape(*node.settings["firsts"]))
    return graph("Reshape", graph("Gather", f32(rows), numbers), shape(-1, len(columns) * rows.shape[1]))


def _one_hot(graph: Graph, node: LayerNode, x: Batch) -> str:
    assert x.codes is not None
    spread, plus, minus = node.parameters
    codes = graph("Gather", x.codes, spread.argmax(axis=0).astype(np.int64), axis=1)
    signs = [graph.cast(graph("Equal", codes, one.astype(np.int64)), np.float32) for one in (plus, minus)]
    return graph("Sub", *signs)


LAYERS: dict[str, Callable[[Graph, LayerNode, Batch], str]] = {
    "chain": _chain,
    "add": lambda graph, node, x: graph("Sum", *(layer(graph, one, x) for one in node.layers)),
    "beside": lambda graph, node, x: _joined(graph, node, x, axis=1),
    "vote": lambda graph, node, x: _joined(graph, node, x, axis=0),
    "plus": lambda graph, node, x: graph("Add", x.numbers, layer(graph, node.layers[0], x)),
    "repeat": _repeat,
    "dropout": lambda graph, node, x: x.numbers,
    "activation": lambda graph, node, x: ACTIVATIONS[node.settings["name"]](graph, x.numbers),
    "dense": _dense,
    "adapters": _adapters,
    "scaling": lambda graph, node, x: graph("Mul", x.numbers, f32(node.parameters.scales)),
    "normalisation": _normalisation,
    "parametric": _parametric,
    "periodic": _periodic,
    "piecewise_linear": _piecewise_linear,
    "embedding": _embedding,
    "one_hot": _one_hot,
}
