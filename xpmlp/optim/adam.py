"""Adam and AdamW: steps scaled by running moments of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn import Ops
from xpmlp.optim.decay import decoupled_decay, l2_penalty
from xpmlp.optim.moments import first_step, one_minus_power, zeros_like
from xpmlp.optim.optimizer import Hyperparameters, Kinds, Optimizer, Tree, Updated, compose, move_leaves, scaled_rates
from xpmlp.optim.record import Hyperparameter, OptimizerRecord

HYPERPARAMETERS = {
    "beta_1": Hyperparameter(0.9, "Decay, per step, of the mean of the gradients", minimum=0, below=1),
    "beta_2": Hyperparameter(0.999, "Decay, per step, of the mean of the squared gradients", minimum=0, below=1),
    "epsilon": Hyperparameter(1e-8, "Added to the divisor, against division by zero", above=0),
}


class AdamState(NamedTuple):
    """Moments of every parameter and the number of steps.

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
    beta_1, beta_2 : float
        In [0, 1): the part of the old moments that is kept.
    epsilon : float
        Positive; keeps the division finite.

    References
    ----------
    Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 2, the more efficient order of
    computation.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> from xpmlp.optim import Hyperparameters
    >>> weights, gradients = xp.asarray([[1.0]]), xp.asarray([[2.0]])
    >>> rule = adam("weights")
    >>> weights, state = rule.update(pure_ops(xp), weights, gradients, rule.init(weights), Hyperparameters(0.1))
    >>> weights.round(4).tolist()
    [[0.9]]
    """
    return compose(l2_penalty(kinds), adam_rule(kinds, rates, beta_1, beta_2, epsilon))


def adamw(
    kinds: Tree,
    rates: Mapping[str, float] | None = None,
    *,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> Optimizer:
    """Adam with decoupled weight decay, in PyTorch's form.

    ``w <- (1 - learning_rate * weight_decay) w`` and then, with Adam's ``m`` and ``v``,
    ``w <- w - learning_rate * m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon)``.

    Parameters
    ----------
    kinds, rates, beta_1, beta_2, epsilon
        As for `adam`.

    References
    ----------
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019, algorithm 2.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> from xpmlp.optim import Hyperparameters
    >>> weights, gradients = xp.asarray([[1.0]]), xp.asarray([[2.0]])
    >>> rule, hyperparameters = adamw("weights"), Hyperparameters(0.1, weight_decay=0.5)
    >>> weights, state = rule.update(pure_ops(xp), weights, gradients, rule.init(weights), hyperparameters)
    >>> weights.round(4).tolist()
    [[0.85]]
    """
    rule = adam_rule(kinds, rates, beta_1, beta_2, epsilon, corrected=True)
    return compose(decoupled_decay(kinds, rates), rule)


def adam_rule(
    kinds: Tree,
    rates: Mapping[str, float] | None,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    *,
    corrected: bool = False,
) -> Optimizer:
    """Build Adam's rule alone, without any decay.

    Parameters
    ----------
    kinds, rates, beta_1, beta_2, epsilon
        As for `adam`.
    corrected : bool
        Whether epsilon is added to the root of the bias-corrected second moment, or to that of the running mean.
    """
    known = Kinds(kinds)

    def init(parameters: Tree) -> AdamState:
        return AdamState(zeros_like(parameters), zeros_like(parameters), first_step(parameters))

    def update(ops: Ops, parameters: Tree, gradients: Tree, state: Tree, hyperparameters: Hyperparameters) -> Updated:
        kept_1, taken_1, kept_2, taken_2 = map(ops.constant, (beta_1, 1 - beta_1, beta_2, 1 - beta_2))
        step = state.step + 1
        root = ops.xp.sqrt(one_minus_power(ops, beta_2, step))
        correction = root / one_minus_power(ops, beta_1, step)
        added = epsilon * root if corrected else ops.constant(epsilon)

        def move(rate: Array, value: Array, slope: Array, first: Array, second: Array) -> tuple[Array, ...]:
            first *= kept_1
            first += taken_1 * slope
            second *= kept_2
            slope *= slope
            slope *= taken_2
            second += slope
            change = rate * first
            change /= ops.xp.sqrt(second) + added
            value -= change
            return value, first, second

        rate_of = scaled_rates(hyperparameters.learning_rate * correction, rates)
        updated, first, second = move_leaves(move, known, rate_of, parameters, gradients, state.first, state.second)
        return updated, AdamState(first, second, step)

    return Optimizer(init, update, reads=("learning_rate",))


ADAM = OptimizerRecord(
    "adam",
    "steps scaled by running moments of the gradient, in scikit-learn's form",
    adam,
    slots=2,
    hyperparameters=HYPERPARAMETERS,
    normalizes=True,
    scikit_learn={"solver": "adam"},
)

ADAMW = ADAM._replace(
    name="adamw",
    description="Adam with decoupled weight decay, in PyTorch's form",
    make=adamw,
    scikit_learn=None,
)
