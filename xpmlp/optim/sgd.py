"""Stochastic gradient descent: ``w <- w - learning_rate * gradient``."""

from __future__ import annotations

from typing import Any, NamedTuple

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Array, Parameters
from xpmlp.nn import Layer, Ops
from xpmlp.optim.optimizer import Hyperparameters, Optimizer


class SgdState(NamedTuple):
    """Plain SGD remembers nothing."""


def sgd() -> Optimizer:
    """Plain SGD (Robbins and Monro 1951), with L2 weight decay.

    The gradient is never formed: its factors go straight into the weights, ``W -= rate * a.T @ delta``, which is one
    fused operation on backends that have it.
    """
    return Optimizer(init, _update)


def init(parameters: Parameters) -> SgdState:
    """The state of plain SGD: nothing."""
    return SgdState()


def _update(
    ops: Ops, parameters: Parameters, gradients: Any, state: SgdState, hyperparameters: Hyperparameters
) -> tuple[Parameters, SgdState]:
    raise NotImplementedError


def descend(ops: Ops, layer: Layer, parameters: Any, factors: Any, size: int, hyperparameters: Hyperparameters) -> Any:
    """A step of plain SGD from the factors of the gradients, which are not formed."""
    rate, decay = hyperparameters.learning_rate, hyperparameters.weight_decay
    if decay is not None:
        kinds = iter([kind for _, kind in leaves(layer.kinds)])
        parameters = map_leaves(
            lambda leaf: _shrunk(leaf, 1 - rate * decay) if next(kinds) == "weights" else leaf, parameters
        )
    return layer.descend(ops, parameters, factors, rate / size)


def _shrunk(weights: Array, kept: Any) -> Array:
    weights *= kept
    return weights
