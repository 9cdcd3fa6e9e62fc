"""Passes through a multilayer perceptron, for tests: the inputs of each layer, and the factors of its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from xpmlp import nn
from xpmlp.nn.layers.dense import gradients, per_example_gradients


class Passes(NamedTuple):
    """The inputs of the dense layers and the logits, the deltas, and the gradients for a divisor."""

    activations: list[Any]
    deltas: list[Any]
    gradients: Callable[[float], list[nn.DenseParameters]]
    per_example: Callable[[], list[nn.DenseParameters]]


def perceptron(parameters: nn.Parameters, hidden: Sequence[str], dropout: Sequence[float] = ()) -> nn.Layer:
    """The layers whose dense ones have these parameters."""
    units = [layer.weights.shape[-1] for layer in parameters]
    return nn.Network(
        nn.mlp(units, hidden, dropout), nn.Widths(parameters[0].weights.shape[-2]), nn.losses["cross_entropy"]
    ).root


def passes(
    ops: nn.Ops,
    parameters: nn.Parameters,
    x: Any,
    hidden: Sequence[str],
    delta_of: Callable[[Any], Any],
    dropout: Sequence[float] = (),
    noise: Any = (),
) -> Passes:
    """Forward and backward; ``delta_of`` is the derivative of the loss by the logits."""
    root = perceptron(parameters, hidden, dropout)
    logits, residuals = root.forward(ops, parameters, x, noise)
    _, factors = root.backward(ops, parameters, residuals, delta_of(logits), False)
    return Passes(
        [*(inputs for inputs, _ in factors), logits],
        [delta for _, delta in factors],
        lambda divisor: root.gradients(ops, factors, divisor),
        lambda: [per_example_gradients(*pair) for pair in factors],
    )


def kinds_of(layers: int) -> list[nn.DenseParameters]:
    """The kinds of the parameters of so many dense layers."""
    return [nn.DenseParameters("weights", "biases")] * layers


def mean_gradients(ops: nn.Ops, activations: list[Any], deltas: list[Any], divisor: Any) -> list[nn.DenseParameters]:
    """Means over a batch of the factors of dense layers; the logits at the end of the activations may be left on."""
    return [gradients(ops, pair, divisor) for pair in zip(activations, deltas, strict=False)]
