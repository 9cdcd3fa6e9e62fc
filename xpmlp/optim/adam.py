"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from xpmlp._typing import Array, DenseParameters, Parameters
from xpmlp.nn import Ops
from xpmlp.optim.optimizer import Hyperparameters, Optimizer, decayed


class AdamState(NamedTuple):
    """The moments of every parameter and the number of steps.

    Attributes
    ----------
    first, second : list of DenseParameters
        Running means of the gradient and of its square, shaped as the parameters are.
    step : ()
        Steps done, in the parameters' dtype.  float32 counts exactly to 16.7 million, where the bias corrections
        have long been one.
    """

    first: list[DenseParameters]
    second: list[DenseParameters]
    step: Array


class _Decay(NamedTuple):
    beta_1: float
    beta_2: float
    epsilon: float


def adam(*, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> Optimizer:
    """Adam, in scikit-learn's form.

    ``m <- beta_1 m + (1 - beta_1) g``, ``v <- beta_2 v + (1 - beta_2) g**2``,
    ``w <- w - learning_rate sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)``.

    Parameters
    ----------
    beta_1, beta_2 : float
        In [0, 1): how much of the old moments is kept.
    epsilon : float
        Positive; keeps the division finite.

    References
    ----------
    Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 2, the more efficient order of
    computation.
    """
    return Optimizer(_init, partial(_update, _Decay(beta_1, beta_2, epsilon)))


def _init(parameters: Parameters) -> AdamState:
    weights = parameters[0].weights
    xp = array_namespace(weights)

    def zeros() -> list[DenseParameters]:
        return [DenseParameters(xp.zeros_like(w), xp.zeros_like(b)) for w, b in parameters]

    return AdamState(zeros(), zeros(), xp.zeros((), dtype=weights.dtype, device=device(weights)))


def _update(
    decay: _Decay,
    ops: Ops,
    parameters: Parameters,
    slopes: Any,
    state: AdamState,
    hyperparameters: Hyperparameters,
) -> tuple[Parameters, AdamState]:
    step = state.step + 1
    rate = hyperparameters.learning_rate * _bias_correction(ops, decay, step)
    slopes = decayed(slopes, parameters, hyperparameters.weight_decay)
    updated, firsts, seconds = [], [], []
    for layer, slope, first, second in zip(parameters, slopes, state.first, state.second, strict=True):
        moved = [_move(ops, *leaves, rate, decay) for leaves in zip(layer, slope, first, second, strict=True)]
        updated.append(DenseParameters(*(leaf[0] for leaf in moved)))
        firsts.append(DenseParameters(*(leaf[1] for leaf in moved)))
        seconds.append(DenseParameters(*(leaf[2] for leaf in moved)))
    return updated, AdamState(firsts, seconds, step)


def _bias_correction(ops: Ops, decay: _Decay, step: Array) -> Array:
    """``sqrt(1 - beta_2**step) / (1 - beta_1**step)``, by expm1: in float32 ``1 - 0.999`` would lose four digits."""
    return ops.xp.sqrt(_one_minus_power(ops, decay.beta_2, step)) / _one_minus_power(ops, decay.beta_1, step)


def _one_minus_power(ops: Ops, beta: float, step: Array) -> Array:
    if beta == 0:
        return ops.xp.ones_like(step)
    return -ops.xp.expm1(step * math.log(beta))


def _move(
    ops: Ops, value: Array, slope: Array, first: Array, second: Array, rate: Array, decay: _Decay
) -> tuple[Array, Array, Array]:
    first *= decay.beta_1
    first += (1 - decay.beta_1) * slope
    second *= decay.beta_2
    slope *= slope
    slope *= 1 - decay.beta_2
    second += slope
    step = rate * first
    step /= ops.xp.sqrt(second) + decay.epsilon
    value -= step
    return value, first, second
