"""The record of an activation function."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.ops import Ops

Kept = tuple[Array, ...]
"""The arrays of which a derivative is made."""


class Activation(NamedTuple):
    """An elementwise function with its derivative.

    Attributes
    ----------
    name : str
    forward : (ops, z) -> (y, kept)
        The function of the pre-activation, and the arrays that `backward` needs.  May reuse the memory of ``z``, which
        is dead afterwards; ``y`` may be one of ``kept``.
    backward : (ops, upstream, kept) -> delta
        ``upstream * derivative``; may overwrite ``upstream``, but not ``kept``.
    formula : str
        For the documentation.
    scikit_learn : str or None
        The name that `sklearn.neural_network.MLPClassifier` has for it.
    """

    name: str
    forward: Callable[[Ops, Array], tuple[Array, Kept]]
    backward: Callable[[Ops, Array, Kept], Array]
    formula: str
    scikit_learn: str | None = None
