"""Layers, one file each, and how they are joined; `xpmlp.nn.layer` says what a layer is."""

from collections.abc import Callable

from xpmlp.nn.layer import LayerMaker
from xpmlp.nn.layers.activation import activation
from xpmlp.nn.layers.dense import dense
from xpmlp.nn.layers.dropout import dropout
from xpmlp.nn.layers.joining import beside, chain, plus

layers: dict[str, Callable[..., LayerMaker]] = {
    "dense": dense,
    "activation": activation,
    "dropout": dropout,
    "chain": chain,
    "beside": beside,
    "plus": plus,
}
"""The makers of layers by the name that a config gives them: those that are joined first, settings by their names."""

__all__ = ["activation", "beside", "chain", "dense", "dropout", "layers", "plus"]
