"""Temperature scaling: the best factor on logits, probabilities at a temperature, and `refined_log_loss`."""

from __future__ import annotations

from xpmlp._typing import Array
from xpmlp.nn.criteria.criterion import Criterion, weighted_mean
from xpmlp.nn.losses.loss import logarithm
from xpmlp.nn.ops import Ops

LARGEST = 4.0
"""Bound on the temperature's logarithm, upwards and downwards."""

HALVINGS, NEWTON_STEPS = 6, 4
"""Bisection leaves an interval of 8 / 2**6, in which each of Newton's steps squares the error or nearly so."""


def log_loss(ops: Ops, log_probabilities: Array, targets: Array, weights: Array) -> Array:
    """Compute the mean of ``-sum_j t_j log(p_j)``, (runs,)."""
    return -weighted_mean(ops, ops.xp.sum(targets * log_probabilities, axis=-1), weights)


def inverse_temperature(
    ops: Ops, log_probabilities: Array, targets: Array, weights: Array, caution: float = 0.0
) -> Array:
    """Find the factor on logits, or on logarithms of probabilities, that minimises the log-loss.

    The log-loss is convex in the factor ``b``; its derivative, the mean of ``sum_j (p_j(b) - t_j) z_j``, is 0 where it
    is lowest, which bisection of ``log(b)`` and then Newton's method find.

    Parameters
    ----------
    log_probabilities : (runs, n, n_out)
    targets : (n, n_out)
        One-hot.
    weights : (n,)
    caution : float
        Weight of the penalty ``log(b)**2 / 2`` on the log-loss.  With 1 / n the factor is the most probable one for a
        standard normal prior on its logarithm.  Without a penalty, examples that are all predicted correctly have no
        best factor.

    Returns
    -------
    factor : (runs,)
        From ``exp(-4)`` to ``exp(4)``.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017, section 4.2.

    Examples
    --------
    Three examples, each predicted with a probability of 0.98, of which one is wrong: 0.67 would have been right.

    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> logarithms = xp.log(xp.asarray([[[0.98, 0.02]] * 3]))
    >>> targets = xp.asarray([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> factor = inverse_temperature(pure_ops(xp), logarithms, targets, xp.ones(3) / 3)
    >>> at_temperature(pure_ops(xp), xp.exp(logarithms[0]), 1 / factor)[0].round(4).tolist()
    [0.6667, 0.3333]
    """
    xp = ops.xp
    low = xp.full_like(log_probabilities[..., 0, 0], -LARGEST)
    high = xp.full_like(low, LARGEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        slope, _ = _derivatives(ops, log_probabilities, targets, weights, caution, middle)
        low, high = xp.where(slope < 0, middle, low), xp.where(slope < 0, high, middle)
    middle = (low + high) / 2
    for _ in range(NEWTON_STEPS):
        slope, curvature = _derivatives(ops, log_probabilities, targets, weights, caution, middle)
        step = slope / xp.where(curvature > 0, curvature, xp.ones_like(curvature))
        middle = xp.minimum(xp.maximum(middle - step, low), high)
    return xp.exp(middle)


def _derivatives(
    ops: Ops, log_probabilities: Array, targets: Array, weights: Array, caution: float, log_factor: Array
) -> tuple[Array, Array]:
    """Compute the first and second derivative of the penalised log-loss by the factor's logarithm, (runs,) each.

    The second is that by the factor itself, which is positive, where it would be negative.
    """
    xp, factor = ops.xp, ops.xp.exp(log_factor)
    scaled = ops.softmax(factor[..., None, None] * log_probabilities)
    slope = factor * weighted_mean(ops, xp.sum((scaled - targets) * log_probabilities, axis=-1), weights)
    mean = xp.sum(scaled * log_probabilities, axis=-1, keepdims=True)
    variance = xp.sum(scaled * (log_probabilities - mean) ** 2, axis=-1)
    curvature = factor**2 * weighted_mean(ops, variance, weights) + caution
    return slope + caution * log_factor, curvature + xp.where(slope + curvature > 0, slope, xp.zeros_like(slope))


def at_temperature(ops: Ops, prediction: Array, temperature: float | Array) -> Array:
    """Raise probabilities to the power of ``1 / temperature``, and normalise them to sum to 1.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> at_temperature(pure_ops(xp), xp.asarray([[0.9, 0.1]]), 2.0).round(4).tolist()
    [[0.75, 0.25]]
    """
    return ops.softmax(logarithm(ops, prediction) / temperature)


def _refined(ops: Ops, prediction: Array, targets: Array, weights: Array) -> Array:
    logits = logarithm(ops, prediction)
    factor = inverse_temperature(ops, logits, targets, weights)
    return log_loss(ops, ops.log_softmax(factor[..., None, None] * logits), targets, weights)


REFINED_LOG_LOSS = Criterion(
    "refined_log_loss",
    _refined,
    ("classes",),
    "the log-loss at the temperature that is best for the judged examples: how well classes are separated, regardless "
    "of the probabilities' confidence (Berta, Holzmüller, Jordan and Bach, Rethinking Early Stopping: Refine, Then "
    "Calibrate, 2025)",
)
