"""Layer normalisation: each example's numbers to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, SentBack, Slot, Tree, Widths, numbers_of, sum_over_batch, width_of
from xpmlp.nn.layers.settings import Positive
from xpmlp.nn.ops import Ops


class NormalisationParameters(NamedTuple):
    """``scales`` and ``biases``: ([runs,] 1, width)."""

    scales: Array
    biases: Array


def normalisation(epsilon: Positive = 1e-5) -> LayerMaker:
    """``scales * (x - mean) / sqrt(variance + epsilon) + biases``, with the mean and variance of each example.

    Parameters
    ----------
    epsilon : float
        Added to the variance: examples whose numbers are all equal become ``biases``.

    References
    ----------
    Ba, Kiros and Hinton, Layer Normalization, 2016, arXiv:1607.06450.
    """

    def forward(ops: Ops, parameters: NormalisationParameters, x: Any, noise: Any) -> tuple[Array, tuple[Array, Array]]:
        xp, x = ops.xp, numbers_of(x)
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        inverse = 1 / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + epsilon)
        normal = centred * inverse
        return normal * parameters.scales + parameters.biases, (normal, inverse)

    def make(widths: Widths | int) -> Layer:
        width = width_of(widths)
        slots = NormalisationParameters(Slot("scales", 1, width, 1.0), Slot("biases", 1, width))
        return Layer.of("normalisation", {"epsilon": epsilon}, width, slots, forward, backward, gradients, fresh=True)

    return make


def backward(ops: Ops, parameters: NormalisationParameters, residuals: Tree, upstream: Array, wanted: bool) -> SentBack:
    """With ``n`` the normal numbers and ``g = upstream * scales``: ``(g - mean(g) - n * mean(g * n)) * inverse``."""
    xp, (normal, inverse), back = ops.xp, residuals, None
    if wanted:
        slope = upstream * parameters.scales
        along = normal * xp.mean(slope * normal, axis=-1, keepdims=True)
        back = (slope - xp.mean(slope, axis=-1, keepdims=True) - along) * inverse
    return back, (normal, upstream)


def gradients(ops: Ops, factors: tuple[Array, Array], divisor: Any) -> NormalisationParameters:
    """Sum ``n * upstream`` and ``upstream`` over the batch."""
    normal, upstream = factors
    scales, biases = sum_over_batch(ops, normal * upstream), sum_over_batch(ops, upstream)
    return NormalisationParameters(scales / divisor, biases / divisor)
