"""Nested NamedTuples and lists of arrays: a training's state, its constants, a network's parameters.

JAX supports such trees itself; these few functions serve the other backends, copying, files and comparison.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a tree with their names, such as ``("parameters.0.weights", array)``, in a fixed order.

    The fields of a NamedTuple give names, the items of a list or tuple numbers; ``None`` is an empty tree.
    """
    if tree is None:
        return
    if isinstance(tree, (list, tuple)):
        names = getattr(tree, "_fields", range(len(tree)))
        for name, item in zip(names, tree, strict=True):
            yield from leaves(item, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, tree


def map_leaves(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply ``function`` to each array of a tree, and the corresponding ones of other trees; keeps the structure."""
    if isinstance(tree, (list, tuple)):
        items = [map_leaves(function, *group) for group in zip(tree, *others, strict=True)]
        return getattr(tree, "_make", type(tree))(items)
    return None if tree is None else function(tree, *others)


def flattener(tree: Any) -> Callable[[Any], list[Any]]:
    """Build a function that lists the arrays of trees of one structure, in the order of `leaves`.

    It is built once, since analysing a tree's structure takes longer than updating a small array.
    """
    if not isinstance(tree, (list, tuple)):
        return lambda leaf: [leaf]
    inner = [flattener(item) if isinstance(item, (list, tuple)) else None for item in tree]
    if not any(inner):
        return list
    if all(one is list for one in inner):
        return lambda tree: list(itertools.chain.from_iterable(tree))
    return lambda tree: [
        leaf for one, item in zip(inner, tree, strict=True) for leaf in (one(item) if one else (item,))
    ]


def values(tree: Any) -> list[Any]:
    """List the arrays of a tree, in the order of `leaves`."""
    found: list[Any] = []
    _collect(tree, found)
    return found


def _collect(tree: Any, found: list[Any]) -> None:
    for item in tree if isinstance(tree, (list, tuple)) else (tree,):
        if isinstance(item, (list, tuple)):
            _collect(item, found)
        elif item is not None:
            found.append(item)


def with_leaves(tree: Any, arrays: Iterable[Any]) -> Any:
    """Build a tree of the same structure from other arrays, in the order of `leaves`."""
    found = iter(arrays)
    return map_leaves(lambda _: next(found), tree)


def iterate(tree: Any, unstack: Callable[[Any], Iterable[Any]]) -> Iterator[Any]:
    """Yield the trees stacked along the first axis of a tree's arrays, split by ``unstack``."""
    if isinstance(tree, (list, tuple)) and tree:
        items = [itertools.repeat(item) if item is None else iterate(item, unstack) for item in tree]
        return map(getattr(tree, "_make", type(tree)), zip(*items, strict=False))
    return itertools.repeat(tree) if tree is None or isinstance(tree, (list, tuple)) else iter(unstack(tree))
