"""The record of an activation function."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xpmlp._typing import Array
from xpmlp.nn.ops import Ops

Kept = tuple[Array, ...]
"""Arrays from which a derivative is computed."""


class Activation(NamedTuple):
    """An elementwise function with its derivative.

    Attributes
    ----------
    name : str
    forward : (ops, z) -> (y, kept)
        The function of the pre-activation, and the arrays that `backward` needs.  May reuse the memory of ``z``, which
        is not used afterwards; ``y`` may be one of ``kept``.
    backward : (ops, upstream, kept) -> delta
        ``upstream * derivative``; may overwrite ``upstream``, but not ``kept``.
    formula : str
        For the documentation.
    scikit_learn : str or None
        Its name in `sklearn.neural_network.MLPClassifier`.
    """

    name: str
    forward: Callable[[Ops, Array], tuple[Array, Kept]]
    backward: Callable[[Ops, Array, Kept], Array]
    formula: str
    scikit_learn: str | None = None

    @classmethod
    def of_output(
        cls,
        name: str,
        value: Callable[[Ops, Array], Array],
        derivative: Callable[[Ops, Array], Array],
        formula: str,
        scikit_learn: str | None = None,
    ) -> Activation:
        """Build an activation whose derivative is a function of its output, the only array kept.

        Parameters
        ----------
        name, formula, scikit_learn
            See the attributes.
        value : (ops, z) -> y
        derivative : (ops, y) -> derivative
        """

        def forward(ops: Ops, z: Array) -> tuple[Array, Kept]:
            y = value(ops, z)
            return y, (y,)

        def backward(ops: Ops, upstream: Array, kept: Kept) -> Array:
            upstream *= derivative(ops, *kept)
            return upstream

        return cls(name, forward, backward, formula, scikit_learn)
