"""Reference trainings for networks of any layers: with the layers' own functions, on NumPy in float64.

The operations are the definitions in `xpmlp.nn.ops`, not a backend's own; the loss and the optimiser are those of
`xpmlp.verify.reference`.  Errors in the layers' functions, which are the same as in the backends, are detected by
finite differences of the loss.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import numpy as numpy_namespace

from xpmlp._tree import leaves, map_leaves
from xpmlp.nn import Inputs, LayerSpec, Network, pure_ops
from xpmlp.verify.formulas import ACTIVATIONS, KINKED, loss_and_delta
from xpmlp.verify.reference import Batch, Pass, ReferenceLayer


class LayerName(NamedTuple):
    """Name of a layer with parameters, and names of its arrays.

    Attributes
    ----------
    label : int or str
        From 1; for a layer within another both numbers, such as ``2.1``.
    parts : tuple of str
        Names of its arrays.
    """

    label: int | str
    parts: tuple[str, ...]


def layer_names(kinds: Any) -> list[LayerName]:
    """List the layers of a tree of kinds of parameters."""
    return [LayerName(label, tuple(part or kind for part, kind in group)) for label, group in _layers(kinds)]


def by_layer(tree: Any) -> list[tuple[Any, ...]]:
    """Group the arrays of a tree of parameters or gradients by layer, for the layers with parameters."""
    return [tuple(leaf for _, leaf in group) for _, group in _layers(tree)]


def _layers(tree: Any) -> Iterator[tuple[int | str, list[tuple[str, Any]]]]:
    """Yield the label of each layer, and its leaves with their names; the only leaf of a layer has an empty name."""
    named = []
    for name, leaf in leaves(tree):
        place, _, part = name.rpartition(".")
        named.append((name, "", leaf) if part.isdecimal() else (place, part, leaf))
    for place, group in itertools.groupby(named, key=lambda one: one[0]):
        numbers = [str(int(part) + 1) if part.isdecimal() else part for part in place.split(".")]
        label = ".".join(numbers)
        yield int(label) if label.isdecimal() else label, [(part, leaf) for _, part, leaf in group]


class LayeredNetwork:
    """Network of any layers for the reference.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self.network = network

    @cached_property
    def kinds(self) -> list[tuple[str, ...]]:
        """The kinds of each layer's arrays."""
        return by_layer(self.network.root.kinds)

    @cached_property
    def is_kinked(self) -> bool:
        """Whether the derivative of an activation is, or may be, discontinuous: external ones are unknown."""

        def kinked(spec: LayerSpec) -> bool:
            name = dict(spec.settings).get("name", "tanh")
            jumps = spec.kind == "prelu" or name in KINKED or name not in ACTIVATIONS
            return jumps or any(map(kinked, spec.members))

        return kinked(self.network.layers)

    def passes(self, parameters: list[ReferenceLayer], batch: Batch) -> Pass:
        """Compute the forward and backward pass of a batch; the gradient of a "state" is its new value."""
        ops, root, loss = pure_ops(numpy_namespace), self.network.root, self.network.loss
        own = (leaf.copy() for layer in parameters for leaf in layer)
        tree = map_leaves(lambda slot: next(own), root.slots)
        logits, residuals = root.forward(ops, tree, Inputs(batch.x.copy(), batch.codes), batch.masks)
        targets = np.concatenate([batch.targets] * root.repeats)
        weights = None if batch.weights is None else np.tile(batch.weights, root.repeats)
        losses, delta = loss_and_delta(loss.name, loss.settings, logits, targets, weights)
        _, factors = root.backward(ops, tree, residuals, delta.copy(), False)
        gradients = by_layer(root.gradients(ops, factors, len(logits)))
        return Pass([logits.copy()], [], losses.reshape(root.repeats, -1).mean(axis=0), [], gradients)
