"""Sigmoid with cross-entropy: yes or no for each output, so two classes with one output, or several labels at once."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.losses.loss import Loss, as_stored, prediction_minus_target
from xpmlp.nn.ops import Ops, sigmoid


def _value(ops: Ops, logits: Array, targets: Array) -> Array:
    """The negative log-likelihood of independent yes-or-no targets, summed over the outputs.

    With ``y = 1 / (1 + exp(-o))``: ``-sum (t log y + (1 - t) log(1 - y)) = sum (log(1 + exp(o)) - t o)``.  With
    ``log(1 + exp(o)) = max(o, 0) + log1p(exp(-|o|))`` no exponential overflows, and with ``max(o, 0) - t o`` formed
    first a small loss keeps its digits.

    Parameters
    ----------
    logits : ([runs,] batch, n_out)
    targets : ([runs,] batch, n_out)
        0 or 1, or probabilities.

    References
    ----------
    Bishop, Pattern Recognition and Machine Learning (2006), section 5.2; derived in docs/gradients.md.
    """
    xp = ops.xp
    distance = xp.maximum(logits, xp.zeros_like(logits)) - targets * logits
    return xp.sum(distance + xp.log1p(xp.exp(-xp.abs(logits))), axis=-1)


def _probabilities(ops: Ops, logits: Array) -> Array:
    return sigmoid(ops.xp, logits)  # not ops.sigmoid, which may overwrite them


def _more_probable_than_not(ops: Ops, logits: Array) -> Array:
    return ops.xp.astype(logits > 0, logits.dtype)


def _all_right(ops: Ops, decided: Array, targets: Array, precision: Array) -> Array:
    return ops.xp.astype(ops.xp.all(decided == targets, axis=-1), precision.dtype)


LOGISTIC = Loss(
    as_stored,
    _value,
    prediction_minus_target(_probabilities),
    _probabilities,
    _more_probable_than_not,
    _all_right,
    False,
    "accuracy",
    "cross-entropy (nats)",
)
