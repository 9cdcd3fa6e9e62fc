"""Averages of the parameters over the steps of a training."""

from __future__ import annotations

from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn import Ops
from xpmlp.optim.moments import copied, first_step, one_minus_power
from xpmlp.optim.optimizer import STATE, Hyperparameters, Kinds, Passed, Piece, Tree


class AverageState(NamedTuple):
    """Averaged parameters, in the parameters' structure, and the number of steps, ()."""

    average: Tree
    step: Array


def averaged(kinds: Tree, decay: float) -> Piece:
    """Keep an exponential moving average of the parameters after each step, without bias towards the first ones.

    ``average <- average + (1 - decay) / (1 - decay**t) * (parameters - average)`` at step ``t``: the mean of the
    parameters after the steps ``s = 1 .. t``, weighted by ``decay**(t - s)``.  It is what
    ``e <- decay e + (1 - decay) parameters`` from zero gives, divided by ``1 - decay**t``.

    Parameters
    ----------
    kinds : tree of str
        For parameters of the kind "state", the last value is kept.
    decay : float
        In [0, 1).

    References
    ----------
    Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; the correction is that of Kingma
    and Ba, Adam, ICLR 2015, section 3.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> from xpmlp.optim import Hyperparameters, compose, sgd
    >>> weights, rule = xp.asarray([[1.0]]), compose(sgd("weights"), averaged("weights", 0.5))
    >>> state = rule.init(weights)
    >>> for _ in range(2):
    ...     weights, state = rule.update(pure_ops(xp), weights, xp.asarray([[2.0]]), state, Hyperparameters(0.1))
    >>> weights.round(4).tolist(), rule.evaluated(weights, state).round(4).tolist()
    ([[0.6]], [[0.6667]])
    """
    known = Kinds(kinds)

    def init(parameters: Tree) -> AverageState:
        return AverageState(copied(parameters), first_step(parameters))

    def update(ops: Ops, parameters: Tree, gradients: Tree, state: Tree, hyperparameters: Hyperparameters) -> Passed:
        step = state.step + 1
        weight = (1 - decay) / one_minus_power(ops, decay, step)

        def moved(kind: str, value: Array, average: Array) -> tuple[Array]:
            if kind == STATE:
                return (1.0 * value,)  # memory of its own
            difference = value - average
            difference *= weight
            average += difference
            return (average,)

        (average,) = known.unzip(moved, (state.average,), parameters)
        return parameters, gradients, AverageState(average, step)

    return Piece(update, init, lambda state: state.average, reads=())
