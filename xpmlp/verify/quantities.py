"""Quantities of a training step, in the order of computation, and relative differences between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

HostArray: TypeAlias = npt.NDArray[Any]
HostLayer: TypeAlias = tuple[HostArray, ...]
"""Weights (n_in, n_out) and biases (1, n_out) on the host, or another layer's parameters; or the gradients by them."""

WEIGHTS_AND_BIASES = ("weights", "biases")


class Quantity(NamedTuple):
    """Name of an array of a training step.

    Attributes
    ----------
    kind : str
        activations, logits, loss, deltas, gradients or weights.
    layer : int or str or None
        From 1; for a layer within another both numbers, such as ``2.1``.
    part : str or None
        For gradients and weights: the name of the layer's array.
    """

    kind: str
    layer: int | str | None = None
    part: str | None = None

    @property
    def row(self) -> str:
        """Its row in the table, shared by a layer's weights and biases."""
        return self.kind if self.layer is None else f"{self.kind}, layer {self.layer}"

    def __str__(self) -> str:
        """Return the name for use in a sentence."""
        what = {"gradients": f"gradient by the {self.part}", "weights": self.part}.get(self.kind, self.kind)
        return f"{what}" if self.layer is None else f"{what} of layer {self.layer}"


Quantities: TypeAlias = dict[Quantity, HostArray]
"""All quantities of one step, in the order of computation."""


def quantities_of(
    activations: Sequence[HostArray],
    logits: HostArray,
    loss: HostArray,
    deltas: Sequence[HostArray],
    gradients: Sequence[HostLayer],
    parameters: Sequence[HostLayer],
    names: Sequence[tuple[int | str, Sequence[str]]] | None = None,
) -> Quantities:
    """Name the arrays of a step.

    Parameters
    ----------
    activations : list of (batch, width)
        Activations of the hidden layers.
    logits : (batch, n_out)
        For a vote, the rows of all its members.
    loss : (batch,)
        Loss of each example.
    deltas : list of (batch, n_out), from input to output
    gradients : list of (weights, biases)
        Gradients of the mean loss.
    parameters : list of (weights, biases)
        After the step.
    names : list of (label, parts), optional
        Names of the layers and their arrays; by default numbers from 1, and weights and biases.
    """
    names = names or [(number, WEIGHTS_AND_BIASES) for number in range(1, len(parameters) + 1)]
    forward = {Quantity("activations", layer): array for layer, array in enumerate(activations, start=1)}
    backward = {Quantity("deltas", layer): array for layer, array in enumerate(deltas, start=1)}
    return {
        **forward,
        Quantity("logits"): logits,
        Quantity("loss"): loss,
        **dict(reversed(backward.items())),
        **{
            Quantity(kind, label, part): array
            for kind, layers in (("gradients", gradients), ("weights", parameters))
            for (label, parts), layer in zip(names, layers, strict=True)
            for part, array in zip(parts, layer, strict=True)
        },
    }


def relative_difference(actual: HostArray, expected: HostArray) -> float:
    """Compute ``max|actual - expected| / max|expected|``; the numerator alone if ``expected`` is all zero.

    NaN if one of the arrays contains NaN.
    """
    expected = np.asarray(expected, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        difference = np.max(np.abs(actual - expected))
        return float(difference / (np.max(np.abs(expected)) or 1.0))
