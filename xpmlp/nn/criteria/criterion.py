"""The record of a criterion: by what the epochs of a training are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.ops import Ops


class Criterion(NamedTuple):
    """A figure of all predictions for a part of the data together; lower is better.

    Attributes
    ----------
    name : str
    value : (ops, prediction, targets, weights) -> figure (runs,)
        ``prediction`` (runs, n, n_out) are probabilities or values, what the loss's ``transform`` gives, or means of
        such over the members of a vote; ``targets`` (n, n_out) one-hot rows, flags of 0 and 1, or values; ``weights``
        (n,) of the examples, which sum to 1.
    targets : tuple of str
        For which targets it is: see `xpmlp.nn.losses.Loss.targets`.
    sentence : str
        For the documentation.
    """

    name: str
    value: Callable[[Ops, Array, Array, Array], Array]
    targets: tuple[str, ...]
    sentence: str


def weighted_mean(ops: Ops, figures: Array, weights: Array) -> Array:
    """The mean of the examples' ``figures`` (..., n) by ``weights`` (n,), which sum to 1: (...)."""
    return ops.xp.sum(figures * weights, axis=-1)
