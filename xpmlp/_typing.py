"""The names that signatures use for arrays, devices and parameters.

The array API standard has no published static types, so ``Array`` is ``Any``; what an array must be is said by
the shapes in the docstrings.  ``[runs,]`` in a shape is an optional leading axis: many runs stacked in one array.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""

Device: TypeAlias = Any
"""A device as its array library names it."""

Namespace: TypeAlias = Any
"""An array library's namespace: ``xp`` in ``xp.exp(x)``."""


class DenseParameters(NamedTuple):
    """One fully connected layer: ``x @ weights + biases``.

    Attributes
    ----------
    weights : ([runs,] n_in, n_out)
    biases : ([runs,] 1, n_out)
    """

    weights: Array
    biases: Array


Parameters: TypeAlias = Any
"""A network's parameters, arrays ([runs,] rows, columns) in a tree as its layers have them, on a device or on the host;
of a multilayer perceptron a list of `DenseParameters`, from input to output."""
