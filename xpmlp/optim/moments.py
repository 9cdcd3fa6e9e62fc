"""Running means: initial values, the count of steps, and the correction of bias."""

from __future__ import annotations

import math

from array_api_compat import array_namespace, device

from xpmlp._tree import map_leaves, values
from xpmlp._typing import Array
from xpmlp.nn import Ops
from xpmlp.optim.optimizer import Tree


def zeros_like(parameters: Tree) -> Tree:
    """Return a tree of zeros in the structure of the parameters."""
    return map_leaves(array_namespace(values(parameters)[0]).zeros_like, parameters)


def copied(parameters: Tree) -> Tree:
    """Copy the parameters into memory of their own."""
    xp = array_namespace(values(parameters)[0])
    return map_leaves(lambda leaf: xp.asarray(leaf, copy=True), parameters)


def first_step(parameters: Tree) -> Array:
    """Return a count of steps, (), at zero in the parameters' dtype.

    float32 counts exactly to 16.7 million, where the bias corrections have long been one.
    """
    leaf = values(parameters)[0]
    return array_namespace(leaf).zeros((), dtype=leaf.dtype, device=device(leaf))


def one_minus_power(ops: Ops, beta: float, step: Array) -> Array:
    """Compute ``1 - beta**step`` by expm1: in float32 ``1 - 0.999`` would lose four digits."""
    if beta == 0:
        return ops.xp.ones_like(step)
    return -ops.xp.expm1(step * math.log(beta))
