"""Networks of any layers as the reference trains them: by the layers' own functions, on NumPy in float64.

Of the operations they are given the definitions in `xpmlp.nn.ops`, not a backend's own; the loss and the optimiser are
`xpmlp.verify.reference`'s.  What the layers' functions have in common with those that are verified, finite differences
of the loss look after.
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
    """A layer that has parameters.

    Attributes
    ----------
    label : int or str
        From 1; of one within another both numbers, as ``2.1``.
    parts : tuple of str
        What its arrays are called.
    """

    label: int | str
    parts: tuple[str, ...]


def layer_names(kinds: Any) -> list[LayerName]:
    """The layers of a tree of the kinds of parameters."""
    return [LayerName(label, tuple(part or kind for part, kind in group)) for label, group in _layers(kinds)]


def by_layer(tree: Any) -> list[tuple[Any, ...]]:
    """The arrays of a tree of parameters, or of gradients, for each of the layers that have some."""
    return [tuple(leaf for _, leaf in group) for _, group in _layers(tree)]


def _layers(tree: Any) -> Iterator[tuple[int | str, list[tuple[str, Any]]]]:
    """The label of each layer, and its leaves with their names; one that is all that a layer has, has none."""
    named = []
    for name, leaf in leaves(tree):
        place, _, part = name.rpartition(".")
        named.append((name, "", leaf) if part.isdecimal() else (place, part, leaf))
    for place, group in itertools.groupby(named, key=lambda one: one[0]):
        numbers = [str(int(part) + 1) if part.isdecimal() else part for part in place.split(".")]
        label = ".".join(numbers)
        yield int(label) if label.isdecimal() else label, [(part, leaf) for _, part, leaf in group]


class LayeredNetwork:
    """A network of layers.

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
        """Whether the derivative of an activation jumps, or may: one from outside is not known."""

        def kinked(spec: LayerSpec) -> bool:
            name = dict(spec.settings).get("name", "tanh")
            jumps = spec.kind == "prelu" or name in KINKED or name not in ACTIVATIONS
            return jumps or any(map(kinked, spec.members))

        return kinked(self.network.layers)

    def passes(self, parameters: list[ReferenceLayer], batch: Batch) -> Pass:
        """One batch through the network and back; of "state", a gradient is the new value."""
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
