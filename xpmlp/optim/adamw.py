"""AdamW: Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Mapping

from xpmlp.optim.adam import HYPERPARAMETERS, Constants, adam_rule
from xpmlp.optim.decay import decoupled_decay
from xpmlp.optim.optimizer import Optimizer, Tree, compose
from xpmlp.optim.record import OptimizerRecord


def adamw(
    kinds: Tree,
    rates: Mapping[str, float] | None = None,
    *,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> Optimizer:
    """AdamW, in PyTorch's form.

    ``w <- (1 - learning_rate * weight_decay) w`` and then, with Adam's ``m`` and ``v``,
    ``w <- w - learning_rate * m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon)``.

    Parameters
    ----------
    kinds, rates, beta_1, beta_2, epsilon
        As of `xpmlp.optim.adam`.

    References
    ----------
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019, algorithm 2.
    """
    constants = Constants(beta_1, beta_2, epsilon, corrected=True)
    return compose(decoupled_decay(kinds, rates), adam_rule(kinds, rates, constants))


ADAMW = OptimizerRecord(
    "adamw",
    "Adam with weight decay apart from the gradient, in PyTorch's form",
    adamw,
    slots=2,
    hyperparameters=HYPERPARAMETERS,
    normalizes=True,
)
