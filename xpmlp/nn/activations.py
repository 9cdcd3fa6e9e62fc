"""Activations, each beside its derivative.

A derivative is written in terms of the activation's *output*, which the forward pass keeps anyway:
``sigmoid' = a (1 - a)``, ``tanh' = 1 - a**2``, ``relu' = [a > 0]``, ``identity' = 1``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xpmlp._records import RecordTable
from xpmlp._typing import Array
from xpmlp.nn.ops import Ops


class Activation(NamedTuple):
    """An elementwise function and what the backward pass multiplies by its derivative.

    Attributes
    ----------
    function : (ops, preactivation) -> activation
        May reuse the memory of its argument, which is dead afterwards.
    backward : (ops, upstream, activation) -> delta
        ``upstream * derivative``, written over ``upstream`` where arrays are mutable.
    """

    function: Callable[[Ops, Array], Array]
    backward: Callable[[Ops, Array, Array], Array]


def _sigmoid(ops: Ops, preactivation: Array) -> Array:
    return ops.sigmoid(preactivation)


def _sigmoid_backward(ops: Ops, upstream: Array, activation: Array) -> Array:
    return ops.sigmoid_backward(upstream, activation)


def _tanh(ops: Ops, preactivation: Array) -> Array:
    return ops.xp.tanh(preactivation)


def _tanh_backward(ops: Ops, upstream: Array, activation: Array) -> Array:
    upstream *= 1 - activation * activation
    return upstream


def _relu(ops: Ops, preactivation: Array) -> Array:
    # maximum, not where(x > 0, x, 0): a NaN has to stay one, or a divergence would go unseen
    return ops.xp.maximum(preactivation, ops.xp.zeros_like(preactivation))


def _relu_backward(ops: Ops, upstream: Array, activation: Array) -> Array:
    upstream *= ops.xp.astype(activation > 0, upstream.dtype)
    return upstream


def _identity(ops: Ops, preactivation: Array) -> Array:
    return preactivation


def _identity_backward(ops: Ops, upstream: Array, activation: Array) -> Array:
    return upstream


activations = RecordTable(
    "activation",
    Activation,
    {
        "sigmoid": Activation(_sigmoid, _sigmoid_backward),
        "tanh": Activation(_tanh, _tanh_backward),
        "relu": Activation(_relu, _relu_backward),
        "identity": Activation(_identity, _identity_backward),
    },
)
