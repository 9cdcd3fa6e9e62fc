"""Stochastic gradient descent: ``w <- w - learning_rate * gradient``."""

from __future__ import annotations

from collections.abc import Mapping

from xpmlp._typing import Array
from xpmlp.nn import Layer, Ops
from xpmlp.optim.decay import l2_penalty, map_decaying
from xpmlp.optim.optimizer import Hyperparameters, Kinds, Optimizer, Tree, Updated, compose, move_leaves, scaled_rates
from xpmlp.optim.record import OptimizerRecord


def sgd(kinds: Tree, rates: Mapping[str, float] | None = None) -> Optimizer:
    """Plain SGD (Robbins and Monro 1951), with an L2 penalty.

    Without ``rates`` it can do without the gradients: their factors go straight into the weights,
    ``W -= rate / batch * a.T @ delta``, which is one fused operation on backends that have it.

    Parameters
    ----------
    kinds : tree of str
    rates : mapping, optional
        Factors on the learning rate by kind.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> from xpmlp.optim import Hyperparameters
    >>> weights, gradients = xp.asarray([[1.0]]), xp.asarray([[2.0]])
    >>> rule = sgd("weights")
    >>> weights, state = rule.update(pure_ops(xp), weights, gradients, rule.init(weights), Hyperparameters(0.1))
    >>> weights.round(4).tolist()
    [[0.8]]
    """
    known = Kinds(kinds)

    def update(ops: Ops, parameters: Tree, gradients: Tree, state: Tree, hyperparameters: Hyperparameters) -> Updated:
        rate_of = scaled_rates(hyperparameters.learning_rate, rates)
        (updated,) = move_leaves(_move, known, rate_of, parameters, gradients)
        return updated, state

    def update_from_factors(
        ops: Ops, layer: Layer, parameters: Tree, state: Tree, factors: Tree, hyperparameters: Hyperparameters
    ) -> Updated:
        left = hyperparameters.left()

        def shrunk(kind: str, value: Array) -> Array:
            value *= left
            return value

        parameters = parameters if left is None else map_decaying(shrunk, parameters, known)
        return layer.descend(ops, parameters, factors, hyperparameters.descent), state

    optimizer = compose(l2_penalty(kinds), Optimizer(lambda parameters: (), update, reads=("learning_rate",)))
    if rates:
        return optimizer
    return optimizer._replace(update_from_factors=update_from_factors, reads=("descent", "kept"))


def _move(rate: Array, value: Array, slope: Array) -> tuple[Array]:
    slope *= rate
    value -= slope
    return (value,)


SGD = OptimizerRecord("sgd", "plain gradient descent", sgd, slots=0, scikit_learn={"solver": "sgd", "momentum": 0})
