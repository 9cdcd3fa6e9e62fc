"""Losses: how stored targets are encoded, the loss with its derivative, and what is predicted.

The table `losses` has one entry a loss.  The derivative is by the logits and per example: nothing here divides by
the batch size, that happens where gradients are formed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.ops import Ops


class Loss(NamedTuple):
    """A loss with everything that belongs to it.

    Attributes
    ----------
    encode : (ops, labels, classes, dtype) -> targets
        Stored targets as the loss wants them, for example class indices ([runs,] batch) as one-hot rows.
    value_and_delta : (ops, logits, targets) -> (loss, delta)
        Loss per example ([runs,] batch) and its derivative by the logits ([runs,] batch, n_out).
    transform : (ops, logits) -> prediction
        What the network predicts: probabilities for a classifier, ([runs,] batch, n_out).
    decide : (ops, logits) -> labels
        The most probable stored target, for example a class index ([runs,] batch).
    """

    encode: Callable[[Ops, Array, Array, object], Array]
    value_and_delta: Callable[[Ops, Array, Array], tuple[Array, Array]]
    transform: Callable[[Ops, Array], Array]
    decide: Callable[[Ops, Array], Array]


def one_hot(ops: Ops, labels: Array, classes: Array, dtype: object) -> Array:
    """Rows with a one at each label's place.

    Parameters
    ----------
    labels : ([runs,] batch)
        Class indices.
    classes : (n_out,)
        ``0 .. n_out - 1`` on the same device; an argument because a step must create no arrays of its own.
    dtype : dtype of the result

    Returns
    -------
    targets : ([runs,] batch, n_out)
    """
    return ops.xp.astype(labels[..., None] == classes, dtype)


def softmax(ops: Ops, logits: Array) -> Array:
    """Probabilities of the classes: ``exp(o_i) / sum_j exp(o_j)``, ([runs,] batch, n_out), stable for any logits."""
    xp = ops.xp
    exponentials = xp.exp(logits - xp.max(logits, axis=-1, keepdims=True))
    exponentials /= xp.sum(exponentials, axis=-1, keepdims=True)
    return exponentials


def _softmax_value_and_delta(ops: Ops, logits: Array, targets: Array) -> tuple[Array, Array]:
    return ops.softmax_cross_entropy(logits, targets)


def _most_probable_class(ops: Ops, logits: Array) -> Array:
    return ops.xp.argmax(logits, axis=-1)


losses: dict[str, Loss] = {
    "softmax": Loss(one_hot, _softmax_value_and_delta, softmax, _most_probable_class),
}


def cross_entropy(ops: Ops, logits: Array, targets: Array, sample_weights: Array | None = None) -> tuple[Array, Array]:
    """Softmax with cross-entropy, optionally with a weight for each example.

    Parameters
    ----------
    logits, targets : ([runs,] batch, n_out)
        See `xpmlp.nn.ops.softmax_cross_entropy`.
    sample_weights : ([runs,] batch), optional
        Multiply each example's loss and delta.  Divide by their sum, not by the batch size, where a mean is formed.

    Returns
    -------
    loss : ([runs,] batch)
    delta : ([runs,] batch, n_out)
    """
    return weighted(*ops.softmax_cross_entropy(logits, targets), sample_weights)


def weighted(loss: Array, delta: Array, sample_weights: Array | None) -> tuple[Array, Array]:
    """``loss`` ([runs,] batch) and ``delta`` ([runs,] batch, n_out) times the examples' weights, if there are any."""
    if sample_weights is None:
        return loss, delta
    return loss * sample_weights, delta * sample_weights[..., None]
