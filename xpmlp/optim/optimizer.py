"""What an optimiser is: a pair of functions, `init` and `update`, over the factors of the gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from xpmlp._typing import Array, DenseParameters, Parameters
from xpmlp.nn import Ops


class Hyperparameters(NamedTuple):
    """What may differ between stacked runs: a float for one run, ([runs, 1, 1]) for a stack.

    Attributes
    ----------
    learning_rate : float or (runs, 1, 1)
    weight_decay : float or (runs, 1, 1), optional
        L2 penalty: ``weight_decay * weights`` is added to the weights' gradient; biases have none.  ``None`` spends
        no operation on it.
    momentum : float or (runs, 1, 1)
        Only of the optimisers that have one.
    """

    learning_rate: float | Array
    weight_decay: float | Array | None = None
    momentum: float | Array = 0.9


Update = Callable[[Ops, Parameters, Any, Any, Hyperparameters], tuple[Parameters, Any]]


class Optimizer(NamedTuple):
    """An optimiser, without state of its own.

    Attributes
    ----------
    init : (parameters) -> state
        The state before the first step: nested NamedTuples and lists of arrays that share no memory with
        ``parameters`` or each other.
    update : (ops, parameters, state, activations, deltas, weight_sum, hyperparameters) -> (parameters, state)
        One step.  ``activations`` and ``deltas`` are what ``nn.forward`` and ``nn.backward`` returned,
        ``weight_sum`` the batch size or the sum of the sample weights (float or ([runs, 1, 1])).  The parameters
        and the state that go in may be overwritten: use only what comes back.
    """

    init: Callable[[Parameters], Any]
    update: Update


def decayed(
    gradients: list[DenseParameters], parameters: Parameters, weight_decay: float | Array | None
) -> list[DenseParameters]:
    """``gradients`` with the L2 penalty's derivative, ``weight_decay * weights``, added to the weights' in place."""
    if weight_decay is None:
        return gradients
    result = []
    for (slope, biases), layer in zip(gradients, parameters, strict=True):
        slope += weight_decay * layer.weights
        result.append(DenseParameters(slope, biases))
    return result
