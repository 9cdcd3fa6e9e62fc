"""The records of an optimiser and of its pieces, their composition, and `move_leaves`, on which rules are built."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from xpmlp._tree import flattener, with_leaves
from xpmlp._typing import Array
from xpmlp.nn import Ops

Tree: TypeAlias = Any
"""Nested NamedTuples, lists and tuples of arrays; parameters and gradients are matrices ([runs,] rows, columns)."""

Updated: TypeAlias = tuple[Tree, Tree]
"""Parameters and state after a step."""

Passed: TypeAlias = tuple[Tree, Tree, Tree]
"""Parameters, gradients and state, as returned by a piece."""

STATE = "state"
"""Kind of the parameters that are not trained: their "gradient" is their new value."""


class Hyperparameters(NamedTuple):
    """Hyperparameters of an update, which may differ between steps and between stacked runs.

    Each is an array ([runs,] 1, 1) in a step, and a series (steps, runs, 1, 1) of float64 on the host, where `series`
    computes the derived ones: a quotient of rounded numbers is not the rounded quotient.

    Attributes
    ----------
    learning_rate
    weight_decay : optional
        See `xpmlp.optim.decay`.  ``None`` spends no operation on it.
    momentum
        Only for the optimisers that have one.
    descent
        ``-learning_rate / divisor``: plain SGD's factor on a batch's sum of gradients, which it then adds.
    kept : optional
        ``1 - learning_rate * weight_decay``: the part of the weights that a step keeps; with weight decay.  `left`
        computes it if it is not given.
    kept_per_call : optional
        ``kept`` to the power of the number of steps in one call; see `xpmlp.training.delayed`.
    """

    learning_rate: Array | None
    weight_decay: Array | None = None
    momentum: Array | None = 0.9
    descent: Array | None = None
    kept: Array | None = None
    kept_per_call: Array | None = None

    def left(self) -> Array | None:
        """Return ``kept``, from the learning rate and the weight decay if not given; ``None`` without weight decay."""
        if self.kept is not None or self.weight_decay is None:
            return self.kept
        return 1 - self.learning_rate * self.weight_decay

    @classmethod
    def series(
        cls, learning_rate: Array, weight_decay: Array | None, momentum: Array, divisor: float | Array
    ) -> Hyperparameters:
        """Build the hyperparameters of steps with batches of ``divisor`` examples, from arrays or numbers."""
        made = cls(learning_rate, weight_decay, momentum, -(learning_rate / divisor))
        return made._replace(kept=made.left())


class Optimizer(NamedTuple):
    """An optimiser: pure functions, whose state is an argument and a result.

    Attributes
    ----------
    init : (parameters) -> state
        The state before the first step: a tree of arrays that share no memory with ``parameters`` or each other.
    update : (ops, parameters, gradients, state, hyperparameters) -> (parameters, state)
        One step.  ``gradients`` are in the structure of the parameters.  All input trees may be overwritten, so use
        only the returned ones; the hyperparameters may not.
    evaluated : (parameters, state) -> parameters
        The parameters to validate and save: the current ones, or an average kept in the state.
    update_from_factors : (ops, layer, parameters, state, factors, hyperparameters) -> (parameters, state)
        ``update`` by the factors of the gradients, from `xpmlp.nn.layer.Layer.backward`, for an optimiser that need not
        form the gradients; ``None`` for all others.
    reads : tuple of str
        The fields of `Hyperparameters` that it reads in a training step, by ``update_from_factors`` if it has that: all
        others are ``None`` then.
    """

    init: Callable[[Tree], Tree]
    update: Callable[[Ops, Tree, Tree, Tree, Hyperparameters], Updated]
    evaluated: Callable[[Tree, Tree], Tree] = lambda parameters, state: parameters
    update_from_factors: Callable[..., Updated] | None = None
    reads: tuple[str, ...] = Hyperparameters._fields


class Piece(NamedTuple):
    """A piece of an optimiser before or after its rule.

    Attributes
    ----------
    update : (ops, parameters, gradients, state, hyperparameters) -> (parameters, gradients, state)
        All input trees may be overwritten.
    init : (parameters) -> state, optional
        ``None`` for a piece without state, whose state is ``None``.
    evaluated : (state) -> parameters, optional
        The average, from the piece's own state alone; only for a piece that averages.
    reads : tuple of str
        See `Optimizer`.
    """

    update: Callable[[Ops, Tree, Tree, Tree, Hyperparameters], Passed]
    init: Callable[[Tree], Tree] | None = None
    evaluated: Callable[[Tree], Tree] | None = None
    reads: tuple[str, ...] = Hyperparameters._fields


def compose(*parts: Piece | Optimizer) -> Optimizer:
    """Compose an optimiser of pieces and a rule, applied in the order given.

    Parameters
    ----------
    *parts : Piece or Optimizer
        Exactly one of them, the rule, is an optimiser, which may overwrite the gradients; the pieces after it must not
        read them.

    Returns
    -------
    optimizer : Optimizer
        Its state is that of its only part with a state, or a list of its parts' states.  It has no
        ``update_from_factors``, and is evaluated by its first piece that averages.

    Raises
    ------
    ValueError
        If there is no rule, or several.

    Examples
    --------
    >>> import array_api_compat.numpy as xp
    >>> from xpmlp.nn import pure_ops
    >>> from xpmlp.optim import Hyperparameters, clip_by_global_norm, sgd
    >>> weights, gradients = xp.asarray([[1.0]]), xp.asarray([[2.0]])
    >>> rule = compose(clip_by_global_norm("weights", 1.0), sgd("weights"))
    >>> weights, state = rule.update(pure_ops(xp), weights, gradients, rule.init(weights), Hyperparameters(0.1))
    >>> weights.round(4).tolist()
    [[0.9]]
    """
    if (rules := sum(isinstance(part, Optimizer) for part in parts)) != 1:
        raise ValueError(f"an optimiser is composed of pieces and one rule, and there are {rules} rules")
    keeping = [part for part in parts if part.init is not None]
    averaging = [(index, part) for index, part in enumerate(keeping) if isinstance(part, Piece) and part.evaluated]

    def joined(states: list[Tree]) -> Tree:
        return states[0] if len(keeping) == 1 else states

    def init(parameters: Tree) -> Tree:
        return joined([part.init(parameters) for part in keeping if part.init is not None])

    def update(ops: Ops, parameters: Tree, gradients: Tree, state: Tree, hyperparameters: Hyperparameters) -> Updated:
        before, after = iter([state] if len(keeping) == 1 else state), []
        for part in parts:
            own = None if part.init is None else next(before)
            if isinstance(part, Optimizer):
                parameters, own = part.update(ops, parameters, gradients, own, hyperparameters)
            else:
                parameters, gradients, own = part.update(ops, parameters, gradients, own, hyperparameters)
            if part.init is not None:
                after.append(own)
        return parameters, joined(after)

    def evaluated(parameters: Tree, state: Tree) -> Tree:
        for index, part in averaging:
            return part.evaluated(state if len(keeping) == 1 else state[index])  # type: ignore[misc]
        return parameters

    # without factors such a rule reads the hyperparameters of its update, which it does not declare
    formed = [part for part in parts if isinstance(part, Optimizer) and part.update_from_factors is not None]
    read = {name for part in parts for name in part.reads} | set(Hyperparameters._fields if formed else ())
    reads = tuple(name for name in Hyperparameters._fields if name in read)
    return Optimizer(init, update, evaluated, reads=reads)


def scaled_rates(learning_rate: Array, rates: Mapping[str, float] | None) -> Callable[[str], Array]:
    """Return the learning rate by kind of parameter, with the factors ``rates``; a factor of 1 costs no operation."""
    scaled = {kind: learning_rate * factor for kind, factor in (rates or {}).items() if factor != 1}
    return lambda kind: scaled.get(kind, learning_rate)


class Kinds:
    """Kinds of the parameters, leaf by leaf.

    Parameters
    ----------
    tree : tree of str
        In the structure of all trees to traverse.
    """

    def __init__(self, tree: Tree) -> None:
        self._leaves = flattener(tree)
        self._names = self._leaves(tree)

    def unzip(self, function: Callable[..., tuple[Array, ...]], trees: Sequence[Tree], *others: Tree) -> list[Tree]:
        """Apply (kind, *leaves of others, *leaves of trees) -> (new leaf of each of the trees).

        A tree whose leaves are all updated in place is returned as it is.
        """
        if not self._names:
            return list(trees)
        flat = [self._leaves(tree) for tree in (*others, *trees)]
        changed = zip(*itertools.starmap(function, zip(self._names, *flat, strict=True)), strict=True)
        columns = zip(trees, flat[len(others) :], changed, strict=True)
        return [tree if all(map(operator.is_, old, new)) else with_leaves(tree, new) for tree, old, new in columns]


def move_leaves(
    move: Callable[..., tuple[Array, ...]],
    kinds: Kinds | Tree,
    rate_of: Callable[[str], Array],
    parameters: Tree,
    gradients: Tree,
    *memories: Tree,
) -> list[Tree]:
    """Apply a rule to each parameter.

    Parameters
    ----------
    move : (rate, value, slope, *memories) -> (value, *memories)
        The rule for one parameter, its gradient and its memories.
    kinds : Kinds or tree of str
        `Kinds` made once by an optimiser save time on each step.  Parameters of the kind "state" take their gradient as
        their new value.
    rate_of : (kind) -> ([runs,] 1, 1)
    parameters, gradients, *memories : trees of arrays

    Returns
    -------
    trees : list of tree
        The new parameters and memories.
    """

    def leaf(kind: str, slope: Array, value: Array, *memory: Array) -> tuple[Array, ...]:
        return (slope, *memory) if kind == STATE else move(rate_of(kind), value, slope, *memory)

    known = kinds if isinstance(kinds, Kinds) else Kinds(kinds)
    return known.unzip(leaf, (parameters, *memories), gradients)
