"""`TableEncoder` as scikit-learn's tools use it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from xpmlp import TableEncoder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([TableEncoder(), TableEncoder(categories="codes")])
def test_conforms(estimator: Any, check: Any) -> None:
    check(estimator)


def table(n: int = 200) -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=n), "c": random.choice(["u", "v", "w"], n)}, index=range(n)[::-1])
    y = ((frame["c"] == "u") ^ (random.random(n) < 0.05)).astype(int)
    frame.iloc[::10, 0] = np.nan
    return frame, y


def test_names_of_what_comes_out() -> None:
    frame, _ = table()
    encoder = TableEncoder().set_output(transform="pandas")
    out = encoder.fit_transform(frame)
    assert set(out.columns) == {"a", "a missing", "c=u", "c=v", "c=w"}
    assert list(out.columns) == list(encoder.get_feature_names_out())
    assert list(out.index) == list(frame.index)
    assert (out["c=u"] == (frame["c"] == "u")).all()
    codes = TableEncoder(categories="codes").fit(frame)
    assert codes.get_feature_names_out().tolist() == ["a", "a missing", "c"]
    assert codes.transform(frame).shape == (200, 3)


def test_in_a_pipeline() -> None:
    frame, y = table()
    assert cross_val_score(make_pipeline(TableEncoder(), LogisticRegression()), frame, y).mean() > 0.9


def test_columns_that_are_called_categorical() -> None:
    frame = pd.DataFrame({"zip": [1, 2, 3] * 20, "n": [5, 6, 7] * 20})
    for told in (["zip"], [0], [True, False], np.array([True, False])):
        assert TableEncoder(categorical_features=told).fit(frame).encoding_.code_names == ("zip",)
    assert TableEncoder("n=category", categorical_features=["zip"]).fit(frame).encoding_.code_names == ("zip", "n")
    assert clone(TableEncoder("n=category")).types == "n=category"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([9], "categorical_features has '9', which is no column's name and no position from 0 to 1"),
        ([-1], "no position from 0 to 1"),
        (["zap"], "has 'zap', which is no column's name"),
        ([True, 0], "has 'True'"),
        ([True], "a mask of 1 truth values for 2 columns"),
        (np.ones(3, bool), "a mask of 3 truth values for 2 columns"),
    ],
)
def test_columns_that_cannot_be_called_categorical(told: Any, message: str) -> None:
    frame = pd.DataFrame({"zip": [1, 2, 3] * 20, "n": [5, 6, 7] * 20})
    with pytest.raises(ValueError, match=message):
        TableEncoder(categorical_features=told).fit(frame)


def test_an_ordered_column_of_arrow_without_chunks() -> None:
    empty = pa.chunked_array([], pa.dictionary(pa.int8(), pa.string(), ordered=True))
    with pytest.raises(ValueError, match=r"^Found array with 0 sample\(s\)"):
        TableEncoder().fit(pa.table({"a": empty}))


@pytest.mark.parametrize("make", [pd.DataFrame, pa.table, dict])
@pytest.mark.parametrize("names", [["", "column_0"], [""]])
def test_a_column_without_a_name_keeps_its_empty_one(make: Any, names: list[str]) -> None:
    source = make(dict.fromkeys(names, np.linspace(0, 1, 30)))
    encoder = TableEncoder().fit(source)
    assert encoder.feature_names_in_.tolist() == names
    assert encoder.transform(source).shape == (30, len(names))


def test_a_column_of_a_type_of_arrow_that_cannot_be_read_is_named() -> None:
    spans = pa.array([pa.MonthDayNano([1, 2, 3])] * 30)
    columns = {"n": [*range(30)], "span": spans}
    for source in (pa.table(columns), columns):
        with pytest.raises(ValueError, match=r"^column 'span' is of Arrow's type month_day_nano_interval"):
            TableEncoder().fit(source)


def test_a_column_that_is_missing_is_refused_or_taken_for_gaps() -> None:
    frame, _ = table()
    encoder = TableEncoder().fit(frame)
    with pytest.raises(ValueError, match="lacks 'a', which the model was trained on"):
        encoder.transform(frame[["c"]])
    assert (encoder.encode(frame[["c"]], allow_missing=True).numbers == [0, 1]).all()
