"""Layers, one file each, and how they are joined; `xpmlp.nn.layer` says what a layer is."""

from collections.abc import Callable

from xpmlp._records import RecordTable
from xpmlp.nn.layer import LayerMaker
from xpmlp.nn.layers.activation import activation
from xpmlp.nn.layers.adapters import adapters
from xpmlp.nn.layers.dense import dense
from xpmlp.nn.layers.dropout import dropout
from xpmlp.nn.layers.embedding import embedding
from xpmlp.nn.layers.joining import beside, chain, plus, vote
from xpmlp.nn.layers.normalisation import normalisation
from xpmlp.nn.layers.one_hot import categories, one_hot
from xpmlp.nn.layers.parametric import parametric, prelu
from xpmlp.nn.layers.periodic import periodic
from xpmlp.nn.layers.piecewise_linear import piecewise_linear
from xpmlp.nn.layers.repeat import repeat
from xpmlp.nn.layers.scaling import scaling

layers: RecordTable[Callable[..., LayerMaker]] = RecordTable(
    "layer",
    Callable,
    {
        "activation": activation,
        "adapters": adapters,
        "beside": beside,
        "categories": categories,
        "chain": chain,
        "dense": dense,
        "dropout": dropout,
        "embedding": embedding,
        "normalisation": normalisation,
        "one_hot": one_hot,
        "parametric": parametric,
        "periodic": periodic,
        "piecewise_linear": piecewise_linear,
        "plus": plus,
        "prelu": prelu,
        "repeat": repeat,
        "scaling": scaling,
        "vote": vote,
    },
)
"""The makers of layers by the name that a config gives them: those that are joined first, settings by their names."""

__all__ = [
    "activation",
    "adapters",
    "beside",
    "categories",
    "chain",
    "dense",
    "dropout",
    "embedding",
    "layers",
    "normalisation",
    "one_hot",
    "parametric",
    "periodic",
    "piecewise_linear",
    "plus",
    "prelu",
    "repeat",
    "scaling",
    "vote",
]
