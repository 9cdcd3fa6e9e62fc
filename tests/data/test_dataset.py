"""Preprocessing: fitted once, applied anywhere, saved without loss."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xpmlp.data import Preprocessing
from xpmlp.errors import DataError

FINITE = st.floats(-1e6, 1e6)


def test_a_hand_worked_standardisation() -> None:
    train = np.array([[1, 5, 0], [3, 5, 0], [5, 5, 6]], dtype=np.uint8)
    fitted = Preprocessing.fit(train)
    # deviations of the population: sqrt((4 + 0 + 4) / 3), a constant column's 1, sqrt((4 + 4 + 16) / 3)
    assert fitted.mean is not None
    assert fitted.std is not None
    np.testing.assert_allclose(fitted.mean, [3.0, 5.0, 2.0])
    np.testing.assert_allclose(fitted.std, [np.sqrt(8 / 3), 1.0, np.sqrt(8)])
    got = fitted.apply(np.array([[3, 6, 2]], dtype=np.uint8))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, [[0.0, 1.0, 0.0]])


@given(st.floats(-1e300, 1e300), st.integers(1, 9))
def test_a_constant_column_becomes_zero(value: float, rows: int) -> None:
    column = np.full((rows, 1), value)
    fitted = Preprocessing.fit(column)
    assert fitted.std is not None
    assert fitted.std[0] == 1.0
    assert (fitted.apply(column) == 0.0).all()


def test_without_a_mean_the_features_are_returned_as_they_are() -> None:
    raw = np.zeros((2, 3), dtype=np.uint8)
    assert Preprocessing(scale=1 / 255).apply(raw) is raw


def test_another_width_is_refused() -> None:
    fitted = Preprocessing.fit(np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"shape \(2, 4\).*needs \(n, 3\)"):
        fitted.apply(np.zeros((2, 4)))


def test_values_too_large_to_standardise_are_refused() -> None:
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(DataError, match="too large to standardise"),
    ):
        Preprocessing.fit(np.array([[1e308], [-1e308], [1e308]]))


@given(hnp.arrays(np.float64, (4, 3), elements=FINITE), st.floats(1e-9, 1e9))
def test_saved_and_read_back_it_does_the_same(train: np.ndarray, scale: float) -> None:  # type: ignore[type-arg]
    fitted = Preprocessing.fit(train)
    again = Preprocessing.from_json(json.loads(json.dumps(fitted.to_json())))
    np.testing.assert_array_equal(again.apply(train), fitted.apply(train))
    assert Preprocessing.from_json(json.loads(json.dumps(Preprocessing(scale=scale).to_json()))).scale == scale


@pytest.mark.parametrize(
    "saved",
    [
        None,
        [],
        {"mean": None, "std": None},
        {"mean": None, "std": None, "scale": 1.0, "more": 1},
        {"mean": [0.0], "std": None, "scale": 1.0},
        {"mean": [0.0], "std": [1.0, 1.0], "scale": 1.0},
        {"mean": [0.0], "std": [0.0], "scale": 1.0},
        {"mean": ["0"], "std": [1.0], "scale": 1.0},
        {"mean": "0", "std": "1", "scale": 1.0},
        {"mean": [float("nan")], "std": [1.0], "scale": 1.0},
        {"mean": None, "std": None, "scale": float("inf")},
        {"mean": None, "std": None, "scale": "1"},
        {"mean": None, "std": None, "scale": True},
    ],
)
def test_what_was_not_saved_by_it_is_refused(saved: object) -> None:
    with pytest.raises(DataError, match="preprocessing"):
        Preprocessing.from_json(saved)
