"""Running means that begin at zero: the zeros, the count of steps, and the correction of the bias."""

from __future__ import annotations

import math

from array_api_compat import array_namespace, device

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Array
from xpmlp.nn import Ops
from xpmlp.optim.optimizer import Tree


def zeros_like(parameters: Tree) -> Tree:
    """A tree of zeros in the structure of the parameters."""
    xp = array_namespace(*(leaf for _, leaf in leaves(parameters)))
    return map_leaves(xp.zeros_like, parameters)


def first_step(parameters: Tree) -> Array:
    """A count of steps, (), in the parameters' dtype.

    float32 counts exactly to 16.7 million, where the bias corrections have long been one.
    """
    _, leaf = next(leaves(parameters))
    return array_namespace(leaf).zeros((), dtype=leaf.dtype, device=device(leaf))


def one_minus_power(ops: Ops, beta: float, step: Array) -> Array:
    """``1 - beta**step``, by expm1: in float32 ``1 - 0.999`` would lose four digits."""
    if beta == 0:
        return ops.xp.ones_like(step)
    return -ops.xp.expm1(step * math.log(beta))
