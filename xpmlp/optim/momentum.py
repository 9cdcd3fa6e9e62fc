"""SGD with momentum, plain and Nesterov's."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from xpmlp._typing import Array, DenseParameters, Parameters
from xpmlp.nn import Ops
from xpmlp.optim.optimizer import Hyperparameters, Optimizer, decayed


class MomentumState(NamedTuple):
    """The velocity of every parameter, shaped as the parameters are."""

    velocity: list[DenseParameters]


def momentum(*, nesterov: bool = False) -> Optimizer:
    """SGD with momentum, in scikit-learn's form.

    ``v <- momentum * v - learning_rate * gradient``, then ``w <- w + v``; with ``nesterov``
    ``w <- w + momentum * v - learning_rate * gradient`` with the new ``v``.

    References
    ----------
    Polyak 1964; Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep
    learning, ICML 2013.
    """
    return Optimizer(_init, partial(_update, nesterov))


def _init(parameters: Parameters) -> MomentumState:
    xp = array_namespace(parameters[0].weights)
    return MomentumState([DenseParameters(xp.zeros_like(w), xp.zeros_like(b)) for w, b in parameters])


def _update(
    nesterov: bool,
    ops: Ops,
    parameters: Parameters,
    slopes: Any,
    state: MomentumState,
    hyperparameters: Hyperparameters,
) -> tuple[Parameters, MomentumState]:
    rate, mass = hyperparameters.learning_rate, hyperparameters.momentum
    slopes = decayed(slopes, parameters, hyperparameters.weight_decay)
    updated, velocities = [], []
    for layer, slope, velocity in zip(parameters, slopes, state.velocity, strict=True):
        moved = [_move(*leaves, rate, mass, nesterov) for leaves in zip(layer, slope, velocity, strict=True)]
        updated.append(DenseParameters(*(value for value, _ in moved)))
        velocities.append(DenseParameters(*(speed for _, speed in moved)))
    return updated, MomentumState(velocities)


def _move(
    value: Array, slope: Array, velocity: Array, rate: float | Array, mass: float | Array, nesterov: bool
) -> tuple[Array, Array]:
    step = rate * slope
    velocity *= mass
    velocity -= step
    if nesterov:
        value += mass * velocity
        value -= step
    else:
        value += velocity
    return value, velocity
