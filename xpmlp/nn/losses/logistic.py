"""Sigmoid with cross-entropy: yes or no for each output, so two classes with one output, or several labels at once."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.losses.loss import Columns, Loss, logarithm, prediction_minus_target
from xpmlp.nn.ops import Ops, sigmoid


def _value(ops: Ops, logits: Array, targets: Array) -> Array:
    """Compute the negative log-likelihood of independent yes-or-no targets, summed over the outputs.

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


def _log_odds(ops: Ops, probabilities: Array) -> Array:
    return logarithm(ops, probabilities) - logarithm(ops, 1 - probabilities)


def _more_probable_than_not(ops: Ops, logits: Array) -> Array:
    return ops.xp.astype(logits > 0, logits.dtype)


def _all_right(ops: Ops, decided: Array, targets: Array, inverse_variance: Array) -> Array:
    return ops.xp.astype(ops.xp.all(decided == targets, axis=-1), inverse_variance.dtype)


def _refusal(columns: Columns, n_classes: int) -> str | None:
    if not columns and n_classes != 2:
        return f'two classes, and the data have {n_classes}: use "cross_entropy"'
    for name, values in columns:
        other = values[(values != 0) & (values != 1)]
        if other.size:
            return f'columns of 0 and 1, and {name!r} has {other[0]:g}: use "squared"'
    return None


LOGISTIC = Loss(
    name="logistic",
    targets="flags",
    value=_value,
    delta=prediction_minus_target(_probabilities),
    transform=_probabilities,
    link=_log_odds,
    decide=_more_probable_than_not,
    score=_all_right,
    metric="accuracy",
    title="cross-entropy (nats)",
    sentence="sigmoid with cross-entropy, for two classes with one output, or for several columns of 0 and 1",
    out_activation="logistic",
    n_outputs=lambda n_targets, n_classes: n_targets or int(n_classes == 2),
    refusal=_refusal,
)
