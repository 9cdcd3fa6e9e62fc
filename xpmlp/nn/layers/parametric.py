"""Activation functions with a trained parameter for each unit."""

from __future__ import annotations

from typing import Any

from xpmlp._typing import Array
from xpmlp.nn.activations import Kept, activations
from xpmlp.nn.layer import Layer, LayerMaker, SentBack, Slot, Tree, Widths, copied, numbers_of, sum_over_batch, width_of
from xpmlp.nn.layers.settings import ActivationName
from xpmlp.nn.ops import Ops


def parametric(name: ActivationName, initial: float = 1.0) -> LayerMaker:
    """``x + alpha (f(x) - x)``, with a trained ``alpha`` for each unit: 0 gives the identity, 1 the activation ``f``.

    With ``relu`` in place of ``f`` and ``1 - slope`` in place of ``alpha`` it is PReLU; see `prelu`.

    Parameters
    ----------
    name : str
        Name of ``f`` in `xpmlp.nn.activations`.
    initial : float
        Initial value of every ``alpha``.

    References
    ----------
    Holzmüller, Grinsztajn and Steinwart, Better by default, NeurIPS 2024 (RealMLP), section 3; derived in
    docs/gradients.md.
    """
    function = activations[name]

    def forward(ops: Ops, alpha: Array, x: Any, noise: None) -> tuple[Array, tuple[Array, Kept]]:
        x = numbers_of(x)
        change, kept = function.forward(ops, copied(x))  # which may be written over
        change = change - x
        return x + alpha * change, (change, kept)

    def backward(ops: Ops, alpha: Array, residuals: Tree, upstream: Array, wanted: bool) -> SentBack:
        """The factor of the gradient is ``upstream * (f(x) - x)``; ``upstream (1 + alpha (f'(x) - 1))`` goes back."""
        change, kept = residuals
        factor = upstream * change
        if not wanted:
            return None, factor
        straight = upstream * (1 - alpha)
        return straight + function.backward(ops, upstream * alpha, kept), factor

    def make(widths: Widths | int) -> Layer:
        width = width_of(widths)
        settings, slot = {"name": name, "initial": initial}, Slot("alphas", 1, width, initial)
        return Layer.of("parametric", settings, width, slot, forward, backward, gradients, fresh=True)

    return make


def prelu(slope: float = 0.25) -> LayerMaker:
    """The rectified linear unit with a trained slope below 0 for each unit, initially ``slope``.

    References
    ----------
    He, Zhang, Ren and Sun, Delving deep into rectifiers, ICCV 2015, section 2.1.
    """
    return parametric("relu", 1 - slope)


def gradients(ops: Ops, factor: Array, divisor: Any) -> Array:
    """Sum ``factor / divisor`` over the batch, ([runs,] 1, width)."""
    return sum_over_batch(ops, factor / divisor)
