"""An activation function as a layer."""

from __future__ import annotations

from typing import Any

from xpmlp._typing import Array
from xpmlp.nn.activations import Kept, activations
from xpmlp.nn.layer import Layer, LayerMaker, SentBack, Tree, numbers_of, width_of
from xpmlp.nn.layers.settings import ActivationName
from xpmlp.nn.ops import Ops


def activation(name: ActivationName) -> LayerMaker:
    """Apply the activation function ``name`` to each number; see `xpmlp.nn.activations`."""
    function = activations[name]

    def forward(ops: Ops, parameters: Tree, x: Any, noise: Any) -> tuple[Array, Kept]:
        return function.forward(ops, numbers_of(x))

    def backward(ops: Ops, parameters: Tree, kept: Kept, upstream: Array, wanted: bool) -> SentBack:
        return function.backward(ops, upstream, kept), ()

    return lambda widths: Layer.of(
        "activation", {"name": name}, width_of(widths), (), forward, backward, overwrites=True
    )
