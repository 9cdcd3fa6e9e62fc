"""Data frames of each library: columns matched by name and converted to numbers."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from xpmlp.data.frames import column_names, is_table, matched_columns, places_of
from xpmlp.errors import DataError

Columns = Mapping[str, Any]

A, B = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])


def arrow_table(columns: Columns) -> Any:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed; no part of xpmlp needs it")
    return arrow.table({name: np.asarray(values) for name, values in columns.items()})


def structured(columns: Columns) -> Any:
    array = np.zeros(3, dtype=[(name, np.asarray(values).dtype) for name, values in columns.items()])
    for name, values in columns.items():
        array[name] = values
    return array


KINDS: dict[str, Callable[[Columns], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": arrow_table,
    "structured": structured,
    "record": lambda columns: structured(columns).view(np.recarray),
}


@pytest.fixture(params=KINDS)
def table(request: pytest.FixtureRequest) -> Callable[[Columns], Any]:
    return KINDS[request.param]


def test_columns_are_matched_by_name(table: Callable[[Columns], Any]) -> None:
    source = table({"b": B, "note": ["x", "y", "z"], "a": A})
    assert column_names(source, "x") == ("b", "note", "a")
    np.testing.assert_array_equal(matched_columns(source, ("a", "b"), "x"), np.stack([A, B], axis=1))


def test_a_missing_column_is_named(table: Callable[[Columns], Any]) -> None:
    with pytest.raises(DataError, match=r"^x: lacks 'a', which the model was trained on; did you mean 'aa'"):
        matched_columns(table({"aa": A, "b": B}), ("a", "b"), "x")


def test_without_names_to_match_columns_stay_as_they_stand(table: Callable[[Columns], Any]) -> None:
    np.testing.assert_array_equal(matched_columns(table({"b": B, "a": A}), None, "x"), np.stack([B, A], axis=1))


def test_columns_of_several_types(table: Callable[[Columns], Any]) -> None:
    source = table({"real": A, "truth": [True, False, True], "whole": [1, 2, 3]})
    expected = [[1.0, 1.0, 1.0], [2.0, 0.0, 2.0], [3.0, 1.0, 3.0]]
    np.testing.assert_array_equal(matched_columns(source, None, "x"), expected)


def test_a_column_of_words_is_named(table: Callable[[Columns], Any]) -> None:
    with pytest.raises(DataError, match=r"^x: row 1, column 'colour' has 'red', which is not a number; encode"):
        matched_columns(table({"a": A, "colour": ["red", "green", "red"]}), None, "x")


def test_an_array_is_no_table() -> None:
    for source in (np.zeros((2, 2)), [[1, 2]], pd.Series([1, 2]), pl.Series([1, 2])):
        assert not is_table(source)
        assert column_names(source, "x") is None
        assert matched_columns(source, ("a", "b"), "x") is source


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1.0, None, 3.0], dtype="Float32"),
        pd.array([1, None, 3], dtype="Float64"),
        pd.array([1, np.nan, 3], dtype=pd.SparseDtype("float64")),
        [Decimal(1), None, 3],
        pd.Series([1, pd.NA, 3], dtype=object),
    ],
    ids=["Int64", "Float32", "Float64", "sparse", "decimal", "object"],
)
def test_gaps_are_nan(column: Any) -> None:
    np.testing.assert_array_equal(matched_columns(pd.DataFrame({"a": column}), None, "x"), [[1], [np.nan], [3]])


def test_types_of_pandas() -> None:
    frame = pd.DataFrame(
        {
            "boolean": pd.array([True, False, True], dtype="boolean"),
            "category": pd.Categorical([3, 1, 3]),
            "sparse": pd.array([0, 0, 1], dtype=pd.SparseDtype("int64")),
            "object": np.array([1, 2.5, np.float32(3)], dtype=object),
        }
    )
    expected = [[1, 3, 0, 1], [0, 1, 0, 2.5], [1, 3, 1, 3]]
    np.testing.assert_array_equal(matched_columns(frame, None, "x"), expected)


@pytest.mark.parametrize(
    "value", [datetime.date(2020, 1, 1), np.datetime64("2020-01-01"), np.timedelta64(1, "s"), 1 + 2j, "1.5", b"1"]
)
def test_other_values_are_no_numbers(value: Any) -> None:
    with pytest.raises(DataError, match=r"column 'a' has .* which is not a number"):
        matched_columns(pd.DataFrame({"a": [value] * 2}), None, "x")


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int16", "bool"])
def test_a_frame_of_one_type_keeps_it(dtype: str) -> None:
    assert matched_columns(pd.DataFrame(np.ones((2, 3), dtype)), None, "x").dtype == dtype


def test_a_field_of_several_values_is_refused() -> None:
    with pytest.raises(DataError, match=r"column 'a' has the shape \(2, 3\)"):
        matched_columns(np.zeros(2, dtype=[("a", float, 3)]), None, "x")


def test_a_table_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(DataError, match=r"^a LazyFrame cannot be read as a table: make a data frame or an array"):
        matched_columns(pl.DataFrame({"a": A}).lazy(), None, "x")


def test_pandas_own_count_is_no_name() -> None:
    assert column_names(pd.DataFrame(np.zeros((2, 3))), "x") is None
    assert column_names(pd.DataFrame(np.zeros((2, 2)), columns=[1, 0]), "x") == ("1", "0")
    assert column_names(pd.DataFrame(np.zeros((2, 2)), columns=[("a", 1), ("a", 2)]), "x") == ("('a', 1)", "('a', 2)")


@pytest.mark.parametrize(
    ("labels", "wanted", "places"),
    [
        ([1, 0], None, [1, 0]),  # what `frame[[1, 0]]` has of a frame without names
        (["1", "0"], None, [1, 0]),
        ([2, 1], None, [0, 1]),
        ([0, 1, 2], ("0", "2"), [0, 2]),
        ([0, 1], ("small", "large"), [0, 1]),
        (["a", "b", "a"], ("b",), [1]),
    ],
)
def test_places(labels: Sequence[Any], wanted: tuple[str, ...] | None, places: list[int]) -> None:
    assert places_of(labels, wanted, "x") == places


def test_a_name_twice_is_refused_where_it_is_needed() -> None:
    with pytest.raises(DataError, match=r"^x: several columns are called 'a'; rename or drop columns"):
        places_of(["a", "a", "b"], ("a",), "x")
    with pytest.raises(DataError, match=r"^x: several columns are called 'a'"):
        column_names(pd.DataFrame(np.zeros((2, 2)), columns=["a", "a"]), "x")


def test_matching_takes_time_with_the_number_of_columns_not_with_its_square() -> None:
    comparisons = 0

    class Name(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal comparisons
            comparisons += 1
            return str.__eq__(self, other)

        def __str__(self) -> str:
            return self

    names = [Name(f"gene {number}") for number in range(1000)]
    wanted = tuple(Name(name) for name in reversed(names))
    assert places_of(names, wanted, "x") == list(reversed(range(1000)))
    assert comparisons < 10 * len(names)
