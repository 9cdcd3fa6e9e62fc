"""Stacks of runs trained together: their arrays have an axis of runs in front."""

from __future__ import annotations

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Parameters
from xpmlp.nn.layer import Tree


def as_stack(tree: Tree) -> Tree:
    """Add a runs axis in front of one run's arrays; a number shared by all runs gets none."""
    return map_leaves(lambda leaf: leaf[None, ...] if leaf.ndim else leaf, tree)


def one_of(tree: Tree, run: int = 0) -> Tree:
    """Return the arrays of one of the stacked runs, without the runs axis."""
    return map_leaves(lambda leaf: leaf[run, ...] if leaf.ndim else leaf, tree)


def runs_of(parameters: Parameters) -> int:
    """Return the number of stacked runs."""
    return int(next(leaves(parameters))[1].shape[0])
