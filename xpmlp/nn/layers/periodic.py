"""Periodic embeddings of numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, Slot, Widths, descend_by, numbers_of, sum_over_batch, width_of
from xpmlp.nn.layers.activation import activation
from xpmlp.nn.layers.by_feature import (
    affine,
    affine_backward,
    affine_gradients,
    features_first,
    features_last,
    stacked,
)
from xpmlp.nn.layers.joining import beside
from xpmlp.nn.layers.settings import Count, Positive
from xpmlp.nn.ops import Ops

if TYPE_CHECKING:
    import numpy as np


class PeriodicParameters(NamedTuple):
    """Of each feature: waves, and a dense layer of them.

    Attributes
    ----------
    frequencies, phases : ([runs,] features, waves)
    weights : ([runs,] features * waves, width)
    biases : ([runs,] features, width)
    """

    frequencies: Array
    phases: Array
    weights: Array
    biases: Array


class PeriodicFactors(NamedTuple):
    """The parameters, and arrays (runs * features, batch, 1, waves or width) of which the gradients are made."""

    parameters: PeriodicParameters
    x: Array
    waves: Array
    delta: Array
    angle_delta: Array


def periodic(waves: Count = 16, width: Count = 3, deviation: Positive = 0.1, joined: bool = True) -> LayerMaker:
    """Embed each number as a linear function of waves of it, ``cos(2 pi frequencies * x + phases) @ weights + biases``.

    Frequencies begin normal, phases uniform on a circle, weights and biases uniform on ``+- 1 / sqrt(waves)``.

    Parameters
    ----------
    waves : int
        For each number.
    width : int
        Of each number's embedding.
    deviation : float
        The standard deviation of the first frequencies.
    joined : bool
        Whether the numbers themselves come before their embeddings.

    References
    ----------
    Gorishniy, Rubachev and Babenko, On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS 2022, with
    sines and cosines instead of phases; this form, "PBLD", Holzmüller, Grinsztajn and Steinwart, NeurIPS 2024.
    """

    def make(widths: Widths | int) -> Layer:
        features = width_of(widths)

        def init(generator: np.random.Generator) -> PeriodicParameters:
            def uniform(rows: int, columns: int, bound: float) -> Any:
                return generator.uniform(-bound, bound, (rows, columns))

            return PeriodicParameters(
                deviation * generator.standard_normal((features, waves)),
                uniform(features, waves, math.pi),
                uniform(features * waves, width, waves**-0.5),
                uniform(features, width, waves**-0.5),
            )

        settings = {"waves": waves, "width": width, "deviation": deviation, "joined": False}
        slots = PeriodicParameters(
            Slot("frequencies", features, waves),
            Slot("phases", features, waves),
            Slot("embedding_weights", features * waves, width),
            Slot("embedding_biases", features, width),
        )
        size, descend = features * width, descend_by(gradients)
        return Layer("periodic", settings, size, init, slots, forward, backward, gradients, descend)

    return beside(activation("identity"), make) if joined else make


def forward(ops: Ops, parameters: PeriodicParameters, x: Any, noise: Any) -> tuple[Array, tuple[Array, Array, Array]]:
    """The residuals are the numbers, (runs * features, batch, 1), their angles and the cosines of these."""
    x = numbers_of(x)
    numbers = features_first(ops, x, 1)
    angles = numbers * (2 * math.pi * stacked(ops, parameters.frequencies, 1)) + stacked(ops, parameters.phases, 1)
    waves = ops.xp.cos(angles)
    y = affine(ops, waves, parameters.weights, parameters.biases)
    return features_last(ops, y, x.shape[:-2]), (numbers, angles, waves)


def backward(
    ops: Ops, parameters: PeriodicParameters, residuals: tuple[Array, Array, Array], upstream: Array, wanted: bool
) -> tuple[Array | None, PeriodicFactors]:
    """Through the dense layer, the cosine and the angle."""
    x, angles, waves = residuals
    lead, width = tuple(upstream.shape[:-2]), parameters.weights.shape[-1]
    delta = features_first(ops, upstream, width)
    angle_delta = affine_backward(ops, delta, parameters.weights, waves.shape[-1]) * -ops.xp.sin(angles)
    back = None
    if wanted:
        slope = angle_delta * (2 * math.pi * stacked(ops, parameters.frequencies, 1))
        back = features_last(ops, ops.xp.sum(slope, axis=-1, keepdims=True), lead)
    return back, PeriodicFactors(parameters, x, waves, delta, angle_delta)


def gradients(ops: Ops, factors: PeriodicFactors, divisor: Any) -> PeriodicParameters:
    """Sums over the batch; an angle's derivative by its frequency is ``2 pi x``, by its phase 1."""
    parameters, x, waves, delta, angle_delta = factors
    shape = parameters.phases.shape
    frequencies = ops.xp.reshape(sum_over_batch(ops, x * angle_delta), shape) * (2 * math.pi)
    phases = ops.xp.reshape(sum_over_batch(ops, angle_delta), shape)
    weights, biases = affine_gradients(ops, waves, delta, parameters.weights, parameters.biases)
    return PeriodicParameters(frequencies / divisor, phases / divisor, weights / divisor, biases / divisor)
