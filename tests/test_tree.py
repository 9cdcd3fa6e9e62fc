"""Nested NamedTuples and lists of arrays: names, order, structure."""

from __future__ import annotations

from typing import Any, NamedTuple

from xpmlp._tree import leaves, map_leaves
from xpmlp.nn import DenseParameters


class State(NamedTuple):
    parameters: list[DenseParameters]
    step: Any
    nothing: None = None
    pair: tuple[int, int] = (5, 6)


STATE = State([DenseParameters(1, 2), DenseParameters(3, 4)], 7)


def test_leaves_have_the_names_that_files_store() -> None:
    assert list(leaves(STATE)) == [
        ("parameters.0.weights", 1),
        ("parameters.0.biases", 2),
        ("parameters.1.weights", 3),
        ("parameters.1.biases", 4),
        ("step", 7),
        ("pair.0", 5),
        ("pair.1", 6),
    ]


def test_names_begin_with_the_prefix() -> None:
    assert dict(leaves([1, [2]], "moments")) == {"moments.0": 1, "moments.1.0": 2}


def test_an_array_is_a_tree_of_one_and_none_of_no_leaf() -> None:
    assert list(leaves(3.5)) == [("", 3.5)]
    assert list(leaves(None)) == []
    assert list(leaves([])) == []


def test_map_leaves_keeps_the_structure() -> None:
    result = map_leaves(lambda leaf: 10 * leaf, STATE)
    assert result == State([DenseParameters(10, 20), DenseParameters(30, 40)], 70, None, (50, 60))
    assert isinstance(result, State)
    assert isinstance(result.parameters, list)
    assert isinstance(result.parameters[0], DenseParameters)
    assert type(result.pair) is tuple
    assert map_leaves(lambda leaf: 10 * leaf, None) is None


def test_map_leaves_leaves_the_tree_alone() -> None:
    tree = [[1], [2]]
    map_leaves(lambda leaf: leaf + 1, tree)
    assert tree == [[1], [2]]
