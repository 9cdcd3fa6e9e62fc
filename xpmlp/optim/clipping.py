"""Gradient clipping by the global norm."""

from __future__ import annotations

import functools
import operator

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Array
from xpmlp.nn import Ops
from xpmlp.optim.optimizer import STATE, Hyperparameters, Passed, Piece, Tree


def clip_by_global_norm(kinds: Tree, largest: float) -> Piece:
    """Scale a run's gradients to a norm of at most ``largest``, all by one factor.

    ``g <- g / max(1, norm / largest)`` with ``norm`` the root of the sum of all squares of a run.

    Parameters
    ----------
    kinds : tree of str
        Parameters of the kind "state" have no gradient: they are neither counted nor scaled.
    largest : float
        Positive.

    References
    ----------
    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013, algorithm 1.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> from xpmlp.optim import Hyperparameters
    >>> piece, gradients = clip_by_global_norm("weights", 1.0), xp.asarray([[3.0, 4.0]])
    >>> _, clipped, _ = piece.update(pure_ops(xp), xp.zeros((1, 2)), gradients, (), Hyperparameters(0.1))
    >>> clipped.round(4).tolist()
    [[0.6, 0.8]]
    """

    def update(ops: Ops, parameters: Tree, gradients: Tree, state: Tree, hyperparameters: Hyperparameters) -> Passed:
        xp = ops.xp
        trained = [
            xp.reshape(slope, (*slope.shape[:-2], -1))
            for (_, slope), (_, kind) in zip(leaves(gradients), leaves(kinds), strict=True)
            if kind != STATE
        ]
        squares = functools.reduce(operator.add, (xp.vecdot(slope, slope) for slope in trained))
        excess = xp.sqrt(squares) / largest
        factor = (1 / xp.maximum(excess, xp.ones_like(excess)))[..., None][..., None]

        def scaled(slope: Array, kind: str) -> Array:
            if kind != STATE:
                slope *= factor
            return slope

        return parameters, map_leaves(scaled, gradients, kinds), state

    return Piece(update, reads=())
