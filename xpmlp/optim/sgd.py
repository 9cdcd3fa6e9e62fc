"""Stochastic gradient descent: ``w <- w - learning_rate * gradient``."""

from __future__ import annotations

from typing import NamedTuple

from xpmlp._typing import Array, DenseParameters, Parameters
from xpmlp.nn import Ops
from xpmlp.optim.optimizer import Hyperparameters, Optimizer


class SgdState(NamedTuple):
    """Plain SGD remembers nothing."""


def sgd() -> Optimizer:
    """Plain SGD (Robbins and Monro 1951), with L2 weight decay.

    The gradient is never formed: its factors go straight into the weights, ``W -= rate * a.T @ delta``, which is one
    fused operation on backends that have it.
    """
    return Optimizer(_init, _update)


def _init(parameters: Parameters) -> SgdState:
    return SgdState()


def _update(
    ops: Ops,
    parameters: Parameters,
    state: SgdState,
    activations: list[Array],
    deltas: list[Array],
    weight_sum: float | Array,
    hyperparameters: Hyperparameters,
) -> tuple[Parameters, SgdState]:
    descent, kept = hyperparameters.descent, hyperparameters.kept
    updated = []
    for (weights, biases), activation, delta in zip(parameters, activations, deltas, strict=False):
        if kept is not None:
            weights *= kept
        added = ops.add_product(weights, activation, delta, descent), ops.add_sum(biases, delta, descent)
        updated.append(DenseParameters(*added))
    return updated, state
