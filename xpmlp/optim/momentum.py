"""SGD with momentum, plain and Nesterov's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn import Ops
from xpmlp.optim.decay import l2_penalty
from xpmlp.optim.moments import zeros_like
from xpmlp.optim.optimizer import Hyperparameters, Kinds, Optimizer, Tree, Updated, compose, move_leaves, scaled_rates
from xpmlp.optim.record import Hyperparameter, OptimizerRecord


class MomentumState(NamedTuple):
    """The velocity of every parameter, shaped as the parameters are."""

    velocity: Tree


def momentum(kinds: Tree, rates: Mapping[str, float] | None = None, *, nesterov: bool = False) -> Optimizer:
    """SGD with momentum and an L2 penalty, in scikit-learn's form.

    ``v <- momentum * v - learning_rate * gradient``, then ``w <- w + v``; with ``nesterov``
    ``w <- w + momentum * v - learning_rate * gradient`` with the new ``v``.

    Parameters
    ----------
    kinds : tree of str
    rates : mapping, optional
        Factors on the learning rate by kind.
    nesterov : bool

    References
    ----------
    Polyak 1964; Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep
    learning, ICML 2013.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> from xpmlp.optim import Hyperparameters
    >>> weights, gradients = xp.asarray([[1.0]]), xp.asarray([[2.0]])
    >>> rule = momentum("weights", nesterov=True)
    >>> weights, state = rule.update(pure_ops(xp), weights, gradients, rule.init(weights), Hyperparameters(0.1))
    >>> weights.round(4).tolist()
    [[0.62]]
    """
    known = Kinds(kinds)

    def update(ops: Ops, parameters: Tree, gradients: Tree, state: Tree, hyperparameters: Hyperparameters) -> Updated:
        mass = hyperparameters.momentum

        def move(rate: Array, value: Array, slope: Array, velocity: Array) -> tuple[Array, Array]:
            step = rate * slope
            velocity *= mass
            velocity -= step
            if nesterov:
                value += mass * velocity
                value -= step
            else:
                value += velocity
            return value, velocity

        rate_of = scaled_rates(hyperparameters.learning_rate, rates)
        updated, velocity = move_leaves(move, known, rate_of, parameters, gradients, state.velocity)
        return updated, MomentumState(velocity)

    def init(parameters: Tree) -> MomentumState:
        return MomentumState(zeros_like(parameters))

    return compose(l2_penalty(kinds), Optimizer(init, update, reads=("learning_rate", "momentum")))


MOMENTUM = OptimizerRecord(
    "momentum",
    "gradient descent in which each step keeps a part of the last one",
    momentum,
    slots=1,
    hyperparameters={"momentum": Hyperparameter(0.9, "Part of the last step that is kept", minimum=0, below=1)},
    scikit_learn={"solver": "sgd", "nesterovs_momentum": False},
)

NESTEROV = MOMENTUM._replace(
    name="nesterov",
    description="momentum with look-ahead, in scikit-learn's form",
    make=partial(momentum, nesterov=True),
    scikit_learn={"solver": "sgd", "nesterovs_momentum": True},
)
