"""Criteria that are plain figures: of classes, and of values."""

from __future__ import annotations

import itertools

from xpmlp._typing import Array
from xpmlp.nn.criteria.criterion import Criterion, weighted_mean
from xpmlp.nn.criteria.temperature import log_loss as mean_log_loss
from xpmlp.nn.losses.loss import logarithm
from xpmlp.nn.ops import Ops

BINS = 15
"""Number of bins of the calibration error."""


def _log_loss(ops: Ops, prediction: Array, targets: Array, weights: Array) -> Array:
    return mean_log_loss(ops, logarithm(ops, prediction), targets, weights)


def _error(ops: Ops, prediction: Array, targets: Array, weights: Array) -> Array:
    xp = ops.xp
    wrong = xp.argmax(prediction, axis=-1) != xp.argmax(targets, axis=-1)
    return weighted_mean(ops, xp.astype(wrong, prediction.dtype), weights)


def _auc(ops: Ops, prediction: Array, targets: Array, weights: Array) -> Array:
    """Compute 1 less the mean, over the classes, of the part of pairs that the class's probability ranks correctly.

    For a class and the others: ``sum_{i in class, j not} w_i w_j (p_i > p_j, or half if p_i = p_j)`` over
    ``sum w_i sum w_j``.  With two classes both give the same.  Classes of no example, or of all, do not count.
    """
    xp = ops.xp
    total = counted = xp.zeros_like(prediction[..., 0, 0])
    for column in range(targets.shape[-1]):
        own = weights * targets[..., column]
        others = weights - own
        pairs = xp.sum(own) * xp.sum(others)
        total = total + _pairs_in_order(ops, prediction[..., column], own, others) / _at_least_one(ops, pairs)
        counted = counted + xp.astype(pairs > 0, total.dtype)
    return 1 - total / _at_least_one(ops, counted)


def _at_least_one(ops: Ops, number: Array) -> Array:
    """Return a divisor: the number, or 1 in place of 0."""
    return ops.xp.where(number > 0, number, ops.xp.ones_like(number))


def _pairs_in_order(ops: Ops, scores: Array, own: Array, others: Array) -> Array:
    """Sum the weights of pairs (i of ``own``, j of ``others``) with ``scores_i > scores_j``, ties by half: (runs,)."""
    xp = ops.xp
    results = []
    for run in range(scores.shape[0]):
        order = xp.argsort(scores[run, :])
        ranked, mine, theirs = (xp.take(array, order) for array in (scores[run, :], own, others))
        before = xp.concat([xp.zeros_like(theirs[:1]), xp.cumulative_sum(theirs)])
        below, upto = (xp.take(before, xp.searchsorted(ranked, ranked, side=side)) for side in ("left", "right"))
        results.append(xp.sum(mine * (below + upto) / 2))
    return xp.stack(results)


def _calibration_error(ops: Ops, prediction: Array, targets: Array, weights: Array) -> Array:
    """The expected calibration error of the most probable class: ``sum_b |sum_{i in b} w_i (confidence_i - right_i)|``.

    The sum is over `BINS` bins in the order of the confidence, the largest probability: of equal numbers of examples,
    or one more in the first bins.  Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using
    Bayesian Binning, AAAI 2015, with bins of equal counts.
    """
    xp = ops.xp
    right = xp.argmax(prediction, axis=-1) == xp.argmax(targets, axis=-1)
    confidence = xp.max(prediction, axis=-1)
    excess = weights * (confidence - xp.astype(right, prediction.dtype))
    size, larger = divmod(prediction.shape[-2], BINS)
    ends = [number * size + min(number, larger) for number in range(BINS + 1)]
    results = []
    for run in range(prediction.shape[0]):
        ordered = xp.take(excess[run, :], xp.argsort(confidence[run, :]))
        parts = [xp.abs(xp.sum(ordered[begin:end])) for begin, end in itertools.pairwise(ends)]
        results.append(xp.sum(xp.stack(parts)))
    return xp.stack(results)


def _mean_of_outputs(ops: Ops, errors: Array, weights: Array) -> Array:
    return weighted_mean(ops, ops.xp.mean(errors, axis=-1), weights)


def _rmse(ops: Ops, prediction: Array, targets: Array, weights: Array) -> Array:
    return ops.xp.sqrt(_mean_of_outputs(ops, (prediction - targets) ** 2, weights))


def _mae(ops: Ops, prediction: Array, targets: Array, weights: Array) -> Array:
    return _mean_of_outputs(ops, ops.xp.abs(prediction - targets), weights)


LOG_LOSS = Criterion("log_loss", _log_loss, ("classes",), "the mean log-loss of the classes' probabilities")
ERROR = Criterion("error", _error, ("classes",), "the fraction of the examples whose most probable class is wrong")
AUC = Criterion("auc", _auc, ("classes",), "1 minus the area under the ROC curve, averaged over the classes")
ECE = Criterion(
    "ece",
    _calibration_error,
    ("classes",),
    "the expected calibration error: the mean absolute difference between the probability of the most probable class "
    f"and how often it is right, over {BINS} bins of equal counts",
)
RMSE = Criterion("rmse", _rmse, ("flags", "values"), "the root of the mean squared error")
MAE = Criterion("mae", _mae, ("flags", "values"), "the mean absolute error")
