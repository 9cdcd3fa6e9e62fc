"""The record of a criterion for comparing the epochs of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.ops import Ops


class Criterion(NamedTuple):
    """A figure of all predictions for a part of the data; lower is better.

    Attributes
    ----------
    name : str
    value : (ops, prediction, targets, weights) -> figure (runs,)
        ``prediction`` (runs, n, n_out) are probabilities or values as returned by the loss's ``transform``, or their
        means over the members of a vote; ``targets`` (n, n_out) one-hot rows, flags of 0 and 1, or values; ``weights``
        (n,) of the examples, which sum to 1.
    targets : tuple of str
        The kinds of targets that it is for; see `xpmlp.nn.losses.Loss.targets`.
    sentence : str
        For the documentation.
    """

    name: str
    value: Callable[[Ops, Array, Array, Array], Array]
    targets: tuple[str, ...]
    sentence: str


def weighted_mean(ops: Ops, figures: Array, weights: Array) -> Array:
    """Average the examples' ``figures`` (..., n) by ``weights`` (n,), which sum to 1: (...)."""
    return ops.xp.sum(figures * weights, axis=-1)
