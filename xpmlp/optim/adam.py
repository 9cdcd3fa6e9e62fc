"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn import Ops
from xpmlp.optim.decay import l2_penalty
from xpmlp.optim.moments import first_step, one_minus_power, zeros_like
from xpmlp.optim.optimizer import Hyperparameters, Optimizer, Tree, compose, move_leaves, scaled_rates
from xpmlp.optim.record import Hyperparameter, OptimizerRecord

HYPERPARAMETERS = {
    "beta_1": Hyperparameter(0.9, "Decay, per step, of the mean of the gradients", minimum=0, below=1),
    "beta_2": Hyperparameter(0.999, "Decay, per step, of the mean of the squared gradients", minimum=0, below=1),
    "epsilon": Hyperparameter(1e-8, "Added to the divisor, against division by zero", above=0),
}


class AdamState(NamedTuple):
    """The moments of every parameter and the number of steps.

    Attributes
    ----------
    first, second : tree of arrays
        Running means of the gradient and of its square, in the structure of the parameters.
    step : ()
        Steps done, in the parameters' dtype.
    """

    first: Tree
    second: Tree
    step: Array


class Constants(NamedTuple):
    """The constants of Adam.

    Attributes
    ----------
    beta_1, beta_2 : float
        In [0, 1): how much of the old moments is kept.
    epsilon : float
        Positive; keeps the division finite.
    corrected : bool
        Whether epsilon is added to the root of the bias-corrected second moment, or to that of the running mean.
    """

    beta_1: float
    beta_2: float
    epsilon: float
    corrected: bool = False


def adam(
    kinds: Tree,
    rates: Mapping[str, float] | None = None,
    *,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> Optimizer:
    """Adam with an L2 penalty, in scikit-learn's form.

    ``m <- beta_1 m + (1 - beta_1) g``, ``v <- beta_2 v + (1 - beta_2) g**2``,
    ``w <- w - learning_rate sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)``.

    Parameters
    ----------
    kinds : tree of str
    rates : mapping, optional
        Factors on the learning rate by kind.
    beta_1, beta_2, epsilon : float
        See `Constants`.

    References
    ----------
    Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 2, the more efficient order of
    computation.
    """
    return compose(l2_penalty(kinds), adam_rule(kinds, rates, Constants(beta_1, beta_2, epsilon)))


def adam_rule(kinds: Tree, rates: Mapping[str, float] | None, constants: Constants) -> Optimizer:
    """Adam's rule alone, without any decay."""

    def update(
        ops: Ops, parameters: Tree, gradients: Tree, state: AdamState, hyperparameters: Hyperparameters
    ) -> tuple[Tree, AdamState]:
        step = state.step + 1
        correction, root = _bias_correction(ops, constants, step)
        rate_of = scaled_rates(hyperparameters.learning_rate * correction, rates)
        epsilon = constants.epsilon * root if constants.corrected else constants.epsilon
        move = partial(_move, ops, constants, epsilon)
        updated, first, second = move_leaves(move, kinds, rate_of, parameters, gradients, state.first, state.second)
        return updated, AdamState(first, second, step)

    return Optimizer(_init, update, reads=("learning_rate",))


def _init(parameters: Tree) -> AdamState:
    return AdamState(zeros_like(parameters), zeros_like(parameters), first_step(parameters))


def _bias_correction(ops: Ops, constants: Constants, step: Array) -> tuple[Array, Array]:
    """``sqrt(1 - beta_2**step) / (1 - beta_1**step)``, and the root."""
    root = ops.xp.sqrt(one_minus_power(ops, constants.beta_2, step))
    return root / one_minus_power(ops, constants.beta_1, step), root


def _move(
    ops: Ops,
    constants: Constants,
    epsilon: float | Array,
    rate: Array,
    value: Array,
    slope: Array,
    first: Array,
    second: Array,
) -> tuple[Array, Array, Array]:
    first *= constants.beta_1
    first += (1 - constants.beta_1) * slope
    second *= constants.beta_2
    slope *= slope
    slope *= 1 - constants.beta_2
    second += slope
    step = rate * first
    step /= ops.xp.sqrt(second) + epsilon
    value -= step
    return value, first, second


ADAM = OptimizerRecord(
    "adam",
    "steps scaled by running moments of the gradient, in scikit-learn's form",
    adam,
    slots=2,
    hyperparameters=HYPERPARAMETERS,
    normalizes=True,
    scikit_learn={"solver": "adam"},
)
