"""Activations and losses of the reference with their derivatives, from the textbook, in float64 NumPy.

Like the reference, they share no code with the backends; derivatives are functions of the pre-activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


class Activation(NamedTuple):
    """Function of the pre-activation and its derivative, both elementwise."""

    function: Callable[[Floats], Floats]
    derivative: Callable[[Floats], Floats]


def _sigmoid(z: Floats) -> Floats:
    with np.errstate(over="ignore"):  # exp(-z) may become infinite, and the quotient 0
        return 1 / (1 + np.exp(-z))


def _logistic_slope(z: Floats) -> Floats:
    return _sigmoid(z) * _sigmoid(-z)


def _below(z: Floats) -> Floats:
    return np.minimum(z, 0)


def _gelu_sum(z: Floats) -> Floats:
    result: Floats = math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
    return result


_LAMBDA, _ALPHA = 1.0507009873554805, 1.6732632423543772

ACTIVATIONS = {
    "sigmoid": Activation(_sigmoid, _logistic_slope),
    "tanh": Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": Activation(lambda z: np.where(z > 0, z, 0.0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "identity": Activation(lambda z: z, np.ones_like),
    "leaky_relu": Activation(lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "elu": Activation(lambda z: np.where(z > 0, z, np.expm1(_below(z))), lambda z: np.exp(_below(z))),
    "selu": Activation(
        lambda z: _LAMBDA * np.where(z > 0, z, _ALPHA * np.expm1(_below(z))),
        lambda z: _LAMBDA * np.where(z > 0, 1.0, _ALPHA * np.exp(_below(z))),
    ),
    "gelu": Activation(
        lambda z: z * _sigmoid(2 * _gelu_sum(z)),
        lambda z: (
            _sigmoid(2 * _gelu_sum(z))
            + z * _logistic_slope(2 * _gelu_sum(z)) * math.sqrt(8 / math.pi) * (1 + 0.134145 * z**2)
        ),
    ),
    "silu": Activation(lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) + z * _logistic_slope(z)),
    "mish": Activation(
        lambda z: z * np.tanh(np.logaddexp(0, z)),
        lambda z: np.tanh(np.logaddexp(0, z)) + z * _sigmoid(z) / np.cosh(np.minimum(np.logaddexp(0, z), 300)) ** 2,
    ),
    "softplus": Activation(lambda z: np.logaddexp(0, z), _sigmoid),
    "scaled_tanh": Activation(
        lambda z: 1.7159 * np.tanh(2 * z / 3), lambda z: 1.7159 * 2 / 3 * (1 - np.tanh(2 * z / 3) ** 2)
    ),
    "unbent": Activation(
        lambda z: np.clip(z, -2.85, 2.85) / np.sqrt(1 - (np.clip(z, -2.85, 2.85) / 3) ** 2),
        lambda z: np.where(np.abs(z) <= 2.85, (1 - (np.clip(z, -2.85, 2.85) / 3) ** 2) ** -1.5, 0.0),
    ),
}

KINKED = ("relu", "leaky_relu", "selu", "unbent")
"""Activations with a discontinuous derivative."""


Loss: TypeAlias = Callable[..., tuple[Floats, Floats]]
"""(logits (batch, n_out), stored targets, parameters by name) -> (loss (batch,), its derivative by the logits)."""


def _cross_entropy(logits: Floats, labels: npt.NDArray[Any], label_smoothing: float = 0.0) -> tuple[Floats, Floats]:
    """``-sum_k t_k log p_k`` and ``p - t``, with ``p_k = exp(o_k) / sum_j exp(o_j)``; ``labels`` (batch,).

    ``t_k = (1 - label_smoothing) [k = label] + label_smoothing / n_out``.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    classes = logits.shape[1]
    targets = (1 - label_smoothing) * np.eye(classes)[labels] + label_smoothing / classes
    return -(targets * log_probabilities).sum(axis=1), np.exp(log_probabilities) - targets


def _logistic(logits: Floats, targets: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """``-sum (t log p + (1 - t) log(1 - p))`` and ``p - t``, with ``p = sigmoid(o)``; ``targets`` (batch, n_out)."""
    log_yes, log_no = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    return -(targets * log_yes + (1 - targets) * log_no).sum(axis=1), np.exp(log_yes) - targets


def _squared(logits: Floats, targets: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """``sum (o - t)**2 / 2`` and ``o - t``; ``targets`` (batch, n_out)."""
    return ((logits - targets) ** 2).sum(axis=1) / 2, logits - targets


def _poisson(logits: Floats, targets: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """``sum (t log(t / y) - t + y)`` and ``y - t``, with ``y = exp(o)`` and ``0 log 0 = 0``; (batch, n_out)."""
    expected = np.exp(logits)
    ratio = np.where(targets > 0, targets, 1.0) / expected
    return (targets * np.log(ratio) - targets + expected).sum(axis=1), expected - targets


def _absolute(logits: Floats, targets: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """``sum |o - t|`` and its sign; ``targets`` (batch, n_out)."""
    return np.abs(logits - targets).sum(axis=1), np.sign(logits - targets)


def _huber(logits: Floats, targets: npt.NDArray[Any], huber_delta: float) -> tuple[Floats, Floats]:
    """With ``e = o - t``: ``e**2 / 2`` up to ``huber_delta``, ``huber_delta (|e| - huber_delta / 2)`` beyond."""
    error = logits - targets
    far = np.abs(error) > huber_delta
    loss = np.where(far, huber_delta * (np.abs(error) - huber_delta / 2), error**2 / 2)
    return loss.sum(axis=1), np.where(far, huber_delta * np.sign(error), error)


def _quantile(logits: Floats, targets: npt.NDArray[Any], quantiles: Sequence[float]) -> tuple[Floats, Floats]:
    """``q (t - o)`` if ``t >= o``, else ``(1 - q) (o - t)``, summed over ``q``; its slope; ``targets`` (batch, 1)."""
    levels, below = np.asarray(quantiles), targets < logits
    loss = np.where(below, (1 - levels) * (logits - targets), levels * (targets - logits))
    return loss.sum(axis=1), np.where(below, 1 - levels, -levels)


LOSSES: dict[str, Loss] = {
    "cross_entropy": _cross_entropy,
    "logistic": _logistic,
    "squared": _squared,
    "poisson": _poisson,
    "absolute": _absolute,
    "huber": _huber,
    "quantile": _quantile,
}


def loss_and_delta(
    name: str, settings: tuple[tuple[str, Any], ...], logits: Floats, targets: npt.NDArray[Any], weights: Floats | None
) -> tuple[Floats, Floats]:
    """Compute the loss of each example and its derivative by the logits, times its weight over the mean weight."""
    loss, delta = LOSSES[name](logits, targets, **dict(settings))
    if weights is None:
        return loss, delta
    relative = weights / weights.mean()
    return loss * relative, delta * relative[:, None]
