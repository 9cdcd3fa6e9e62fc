"""Nested NamedTuples and lists of arrays: a training's state, its constants, a network's parameters.

JAX knows such trees by itself; these few functions serve the other backends, copying, files and comparison.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The arrays of a tree with their names, such as ``("parameters.0.weights", array)``, in a fixed order.

    A NamedTuple's fields give names, a list's or tuple's items numbers; ``None`` is an empty tree.
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
    """A tree of the same structure with ``function`` of each array, and of those in its place in other trees."""
    if tree is None:
        return None
    if isinstance(tree, (list, tuple)):
        items = [map_leaves(function, *group) for group in zip(tree, *others, strict=True)]
        if hasattr(tree, "_fields"):
            return type(tree)(*items)
        return type(tree)(items)
    return function(tree, *others)


def unzip_leaves(function: Callable[..., tuple[Any, ...]], tree: Any, *others: Any) -> list[Any]:
    """As `map_leaves`, of a function that returns several arrays: a tree for each of them."""
    if isinstance(tree, (list, tuple)):
        parts = [unzip_leaves(function, *group) for group in zip(tree, *others, strict=True)]
        make = getattr(tree, "_make", type(tree))
        return [make(column) for column in zip(*parts, strict=True)]
    return list(function(tree, *others))


def iterate(tree: Any, unstack: Callable[[Any], Iterable[Any]]) -> Iterator[Any]:
    """The trees that the arrays of a tree hold along their first axis, which ``unstack`` takes apart."""
    if tree is None or (isinstance(tree, (list, tuple)) and not tree):
        return itertools.repeat(tree)
    if isinstance(tree, (list, tuple)):
        return map(getattr(tree, "_make", type(tree)), zip(*(iterate(item, unstack) for item in tree), strict=False))
    return iter(unstack(tree))
