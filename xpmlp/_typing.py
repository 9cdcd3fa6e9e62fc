"""Type names for arrays, devices and parameters in signatures.

The array API standard has no published static types, so ``Array`` is ``Any``; the docstrings give the arrays'
shapes.  ``[runs,]`` in a shape is an optional leading axis: many runs stacked in one array.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""

Device: TypeAlias = Any
"""A device of an array library."""

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
"""A network's parameters: arrays ([runs,] rows, columns) in a tree structured like its layers, on a device or on the
host; for a multilayer perceptron a list of `DenseParameters`, from input to output."""
