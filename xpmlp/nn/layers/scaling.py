"""A separate factor for each number."""

from __future__ import annotations

from typing import Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, SentBack, Slot, Widths, numbers_of, sum_over_batch, width_of
from xpmlp.nn.ops import Ops


class ScalingParameters(NamedTuple):
    """``scales``: ([runs,] 1, width)."""

    scales: Array


def scaling() -> LayerMaker:
    """Multiply each number by a trained scale, initially 1: training finds which inputs matter.

    References
    ----------
    Holzmüller, Grinsztajn and Steinwart, Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data,
    NeurIPS 2024.
    """

    def make(widths: Widths | int) -> Layer:
        width = width_of(widths)
        slots = ScalingParameters(Slot("scales", 1, width, 1.0))
        return Layer.of("scaling", {}, width, slots, forward, backward, gradients, fresh=True)

    return make


def forward(ops: Ops, parameters: ScalingParameters, x: Any, noise: Any) -> tuple[Array, Array]:
    """``x * scales``; the residual is ``x``."""
    x = numbers_of(x)
    return x * parameters.scales, x


def backward(ops: Ops, parameters: ScalingParameters, x: Array, upstream: Array, wanted: bool) -> SentBack:
    """``upstream * scales``; the factors are ``x`` and ``upstream``."""
    return upstream * parameters.scales if wanted else None, (x, upstream)


def gradients(ops: Ops, factors: tuple[Array, Array], divisor: Any) -> ScalingParameters:
    """Sum ``x * upstream`` over the batch."""
    x, upstream = factors
    return ScalingParameters(sum_over_batch(ops, x * upstream) / divisor)
