"""A stack of runs, which are trained together: their arrays have an axis of runs in front."""

from __future__ import annotations

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Parameters
from xpmlp.nn.layer import Tree


def as_stack(tree: Tree) -> Tree:
    """The arrays of one run with a runs axis in front; a number that all runs share has none."""
    return map_leaves(lambda leaf: leaf[None, ...] if leaf.ndim else leaf, tree)


def one_of(tree: Tree, run: int = 0) -> Tree:
    """The arrays of one of the stacked runs, without the runs axis."""
    return map_leaves(lambda leaf: leaf[run, ...] if leaf.ndim else leaf, tree)


def runs_of(parameters: Parameters) -> int:
    """The number of stacked runs."""
    return int(next(leaves(parameters))[1].shape[0])
