"""Periodic embeddings of numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.layer import Layer, LayerMaker, Slot, Widths, width_of
from xpmlp.nn.layers.activation import activation
from xpmlp.nn.layers.by_feature import Functions, columns, embedding_of, over_batch
from xpmlp.nn.layers.joining import beside
from xpmlp.nn.layers.settings import Count, Positive
from xpmlp.nn.ops import Ops


class PeriodicParameters(NamedTuple):
    """Parameters of each feature: waves, and a dense layer of them.

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


def periodic(waves: Count = 16, width: Count = 3, deviation: Positive = 0.1, joined: bool = True) -> LayerMaker:
    """Embed each number as a linear function of its waves, ``cos(2 pi frequencies * x + phases) @ weights + biases``.

    Frequencies begin normal, phases uniform on a circle, weights and biases uniform on ``+- 1 / sqrt(waves)``.

    Parameters
    ----------
    waves : int
        Number of waves for each number.
    width : int
        Width of each number's embedding.
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

        def uniform(kind: str, rows: int, columns: int, bound: float) -> Slot:
            return Slot(kind, rows, columns, lambda generator: generator.uniform(-bound, bound, (rows, columns)))

        slots = PeriodicParameters(
            Slot("frequencies", features, waves, lambda rng: deviation * rng.standard_normal((features, waves))),
            uniform("phases", features, waves, math.pi),
            uniform("embedding_weights", features * waves, width, waves**-0.5),
            uniform("embedding_biases", features, width, waves**-0.5),
        )
        settings = {"waves": waves, "width": width, "deviation": deviation, "joined": False}
        passes, within = embedding_of(COSINES), features * waves
        return Layer.of("periodic", settings, features * width, slots, *passes, fresh=True, within=within)

    return beside(activation("identity"), make) if joined else make


def _slope(ops: Ops, parameters: PeriodicParameters) -> Array:
    return 2 * math.pi * columns(ops, parameters.frequencies)


def _gradients(ops: Ops, parameters: PeriodicParameters, x: Array, delta: Array) -> dict[str, Array]:
    """An angle's derivative with respect to its frequency is ``2 pi x``, to its phase 1."""
    return {"frequencies": ops.multiply_transposed(delta, x) * (2 * math.pi), "phases": over_batch(ops, delta)}


COSINES = Functions(
    argument=lambda ops, parameters, x: ops.affine(_slope(ops, parameters), x, columns(ops, parameters.phases)),
    slope=_slope,
    value=lambda ops, parameters, angles: ops.xp.cos(angles),
    backward=lambda ops, delta, angles, waves: delta * -ops.xp.sin(angles),
    gradients=_gradients,
)
