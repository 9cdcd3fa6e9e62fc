"""Dropout as a layer; see `xpmlp.nn.dropout` for its random numbers."""

from __future__ import annotations

from typing import Any

from xpmlp._typing import Array
from xpmlp.nn.dropout import mask_factors
from xpmlp.nn.layer import Draw, Layer, LayerMaker, SentBack, Tree, Widths, numbers_of, width_of
from xpmlp.nn.layers.settings import Rate
from xpmlp.nn.ops import Ops


def dropout(rate: Rate) -> LayerMaker:
    """Drop a fraction ``rate`` of the units in training, and multiply the others by ``1 / (1 - rate)``.

    Parameters
    ----------
    rate : float
        In [0, 1).  With 0 nothing is drawn or changed.
    """

    def make(widths: Widths | int) -> Layer:
        width = width_of(widths)

        def draw(ops: Ops, draw: Draw, stream: int) -> Tree:
            return mask_factors(ops, rate, draw, stream, width) if rate else ()

        drawn = width if rate else 0
        return Layer.of("dropout", {"rate": rate}, width, (), forward, backward, draw=draw, streams=1, drawn=drawn)

    return make


def forward(ops: Ops, parameters: Tree, x: Any, noise: Tree) -> tuple[Array, Tree]:
    """Multiply ``x`` by the mask's factors; return ``x`` in evaluation."""
    x = numbers_of(x)
    return (x if isinstance(noise, tuple) else x * noise), noise


def backward(ops: Ops, parameters: Tree, factors: Tree, upstream: Array, wanted: bool) -> SentBack:
    """Multiply the derivative by the same factors."""
    if not isinstance(factors, tuple):
        upstream *= factors
    return upstream, ()
