"""Layers, one file each, and how they are joined; `xpmlp.nn.layer` says what a layer is."""

from xpmlp.nn.layers.activation import activation
from xpmlp.nn.layers.dense import dense
from xpmlp.nn.layers.dropout import dropout
from xpmlp.nn.layers.joining import beside, chain, chained, plus

__all__ = ["activation", "beside", "chain", "chained", "dense", "dropout", "plus"]
