"""Layers, one file each, and ways to join them; `xpmlp.nn.layer` defines a layer."""

from collections.abc import Callable

from xpmlp._records import RecordTable
from xpmlp.nn.layer import LayerMaker
from xpmlp.nn.layers.activation import activation
from xpmlp.nn.layers.adapters import adapters
from xpmlp.nn.layers.dense import dense
from xpmlp.nn.layers.dropout import dropout
from xpmlp.nn.layers.embedding import embedding
from xpmlp.nn.layers.joining import add, beside, chain, plus, vote
from xpmlp.nn.layers.normalisation import normalisation
from xpmlp.nn.layers.one_hot import categories, one_hot
from xpmlp.nn.layers.parametric import parametric, prelu
from xpmlp.nn.layers.periodic import periodic
from xpmlp.nn.layers.piecewise_linear import piecewise_linear
from xpmlp.nn.layers.repeat import repeat
from xpmlp.nn.layers.scaling import scaling

_MAKERS: tuple[Callable[..., LayerMaker], ...] = (
    *(activation, adapters, add, beside, categories, chain, dense, dropout, embedding, normalisation, one_hot),
    *(parametric, periodic, piecewise_linear, plus, prelu, repeat, scaling, vote),
)

layers: RecordTable[Callable[..., LayerMaker]] = RecordTable(
    "layer", Callable, {maker.__name__: maker for maker in _MAKERS}
)
"""Makers of layers by their names in a config; they take layers to join by position, and settings by name."""

__all__ = [
    "activation",
    "adapters",
    "add",
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
