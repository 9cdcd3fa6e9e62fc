"""What an optimiser is: a pair of functions, `init` and `update`, over the factors of the gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from xpmlp._typing import Array, DenseParameters, Namespace, Parameters
from xpmlp.nn import Ops


class Hyperparameters(NamedTuple):
    """The numbers of an update, which may differ between steps and between stacked runs.

    Each is an array ([runs,] 1, 1) in a step, and a series (steps, [runs,] 1, 1) of float64 on the host, where
    `series` makes those that follow from others: a quotient of rounded numbers is not the rounded quotient.

    Attributes
    ----------
    learning_rate
    weight_decay : optional
        L2 penalty: ``weight_decay * weights`` is added to the weights' gradient; biases have none.  ``None`` spends
        no operation on it.
    momentum
        Only of the optimisers that have one.
    descent
        ``-learning_rate / divisor``: what plain SGD multiplies a batch's sum of gradients by before it adds it.
    kept : optional
        ``1 - learning_rate * weight_decay``: what a step leaves of the weights; with weight decay.
    kept_per_call : optional
        ``kept`` to the power of the steps that are taken by one call; see `xpmlp.training.held_back`.
    """

    learning_rate: Array
    weight_decay: Array | None = None
    momentum: Array = 0.9
    descent: Array = None
    kept: Array | None = None
    kept_per_call: Array | None = None

    @classmethod
    def series(
        cls, learning_rate: Array, weight_decay: Array | None, momentum: Array, divisor: float
    ) -> Hyperparameters:
        """Those of many steps with batches of ``divisor`` examples, from host arrays of equal shape; or of numbers."""
        kept = None if weight_decay is None else 1 - learning_rate * weight_decay
        return cls(learning_rate, weight_decay, momentum, -(learning_rate / divisor), kept)

    def packed(self, xp: Namespace) -> Array:
        """Its arrays (..., 1, 1) side by side in one, (..., 1, n): they travel with the batches as one series."""
        return xp.concat([field for field in self if field is not None], axis=-1)

    @classmethod
    def unpacked(cls, packed: Array) -> Hyperparameters:
        """The arrays (..., 1, 1) of one that was packed."""
        return cls.of([packed[..., index : index + 1] for index in range(packed.shape[-1])])

    @classmethod
    def of(cls, present: Sequence[Array]) -> Hyperparameters:
        """From the arrays that are not ``None``, in order: there are more than three with weight decay alone."""
        rate, *others = present
        return cls(rate, *others) if len(present) > 3 else cls(rate, None, *others)


Update = Callable[
    [Ops, Parameters, Any, list[Array], list[Array], int, Hyperparameters],
    tuple[Parameters, Any],
]


class Optimizer(NamedTuple):
    """An optimiser, without state of its own.

    Attributes
    ----------
    init : (parameters) -> state
        The state before the first step: nested NamedTuples and lists of arrays that share no memory with
        ``parameters`` or each other.
    update : (ops, parameters, state, activations, deltas, weight_sum, hyperparameters) -> (parameters, state)
        One step.  ``activations`` and ``deltas`` are what ``nn.forward`` and ``nn.backward`` returned,
        ``weight_sum`` the batch size.  The parameters and the state that go in may be overwritten: use only what comes
        back.  The hyperparameters may not.
    """

    init: Callable[[Parameters], Any]
    update: Update


def decayed(
    gradients: list[DenseParameters], parameters: Parameters, weight_decay: Array | None
) -> list[DenseParameters]:
    """``gradients`` with the L2 penalty's derivative, ``weight_decay * weights``, added to the weights' in place."""
    if weight_decay is None:
        return gradients
    result = []
    for (slope, biases), layer in zip(gradients, parameters, strict=True):
        slope += weight_decay * layer.weights
        result.append(DenseParameters(slope, biases))
    return result
