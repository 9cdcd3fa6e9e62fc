"""Weight decay: as a penalty, by the gradients, or decoupled from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xpmlp._typing import Array
from xpmlp.nn import Ops
from xpmlp.optim.optimizer import STATE, Hyperparameters, Kinds, Passed, Piece, Tree, scaled_rates

UNDECAYED = ("biases", "scales", STATE)
"""Kinds of parameters that do not decay."""


def map_decaying(function: Callable[..., Array], tree: Tree, kinds: Kinds, *others: Tree) -> Tree:
    """Apply a function (kind, *others, leaf) to the parameters that decay, as `map_leaves` does; the others stay."""

    def changed(kind: str, *group: Array) -> tuple[Array]:
        return (group[-1] if kind in UNDECAYED else function(kind, *group),)

    (result,) = kinds.unzip(changed, (tree,), *others)
    return result


def l2_penalty(kinds: Tree) -> Piece:
    """Add ``weight_decay * weights`` to the gradients, the derivative of ``weight_decay / 2 * sum(weights**2)``.

    Parameters
    ----------
    kinds : tree of str
        Those in `UNDECAYED` have no penalty.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> from xpmlp.optim import Hyperparameters
    >>> weights, gradients = xp.asarray([[1.0]]), xp.asarray([[2.0]])
    >>> piece, hyperparameters = l2_penalty("weights"), Hyperparameters(0.1, weight_decay=0.5)
    >>> piece.update(pure_ops(xp), weights, gradients, (), hyperparameters)[1].tolist()
    [[2.5]]
    """
    known = Kinds(kinds)

    def update(ops: Ops, parameters: Tree, gradients: Tree, state: Tree, hyperparameters: Hyperparameters) -> Passed:
        decay = hyperparameters.weight_decay

        def penalized(kind: str, value: Array, slope: Array) -> Array:
            slope += decay * value
            return slope

        return parameters, gradients if decay is None else map_decaying(penalized, gradients, known, parameters), state

    return Piece(update, reads=("weight_decay",))


def decoupled_decay(kinds: Tree, rates: Mapping[str, float] | None = None) -> Piece:
    """Multiply the parameters by ``1 - learning_rate * weight_decay``, whatever their gradients are.

    Parameters
    ----------
    kinds : tree of str
        Those in `UNDECAYED` stay as they are.
    rates : mapping, optional
        Factors on the learning rate by kind.

    References
    ----------
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019, in PyTorch's form: by the learning rate.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> from xpmlp.optim import Hyperparameters
    >>> weights, gradients = xp.asarray([[1.0]]), xp.asarray([[2.0]])
    >>> piece, hyperparameters = decoupled_decay("weights"), Hyperparameters(0.1, weight_decay=0.5)
    >>> piece.update(pure_ops(xp), weights, gradients, (), hyperparameters)[0].tolist()
    [[0.95]]
    """
    known = Kinds(kinds)

    def update(ops: Ops, parameters: Tree, gradients: Tree, state: Tree, hyperparameters: Hyperparameters) -> Passed:
        rate, decay, left = hyperparameters.learning_rate, hyperparameters.weight_decay, hyperparameters.left()
        if left is None:
            return parameters, gradients, state
        rate_of = scaled_rates(rate, rates)

        def shrunk(kind: str, value: Array) -> Array:
            value *= left if rate_of(kind) is rate else 1 - rate_of(kind) * decay
            return value

        return map_decaying(shrunk, parameters, known), gradients, state

    return Piece(update, reads=("learning_rate", "weight_decay", "kept") if rates else ("kept",))
