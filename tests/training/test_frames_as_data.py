"""Data frames given to `from_arrays`: numbers of every type, and labels as text, categories or columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import xpmlp
from xpmlp.errors import DataError

RNG = np.random.default_rng(0)
NUMBERS = pd.DataFrame({"a": RNG.normal(size=40), "b": RNG.integers(0, 5, 40)})
MIXED = NUMBERS.assign(c=NUMBERS["a"] > 0)
NAMES = np.where(NUMBERS["a"] > 0, "yes", "no")
TRUTHS = NAMES == "yes"

LABELS: dict[str, Any] = {
    "series": pd.Series(NAMES),
    "objects": NAMES.astype(object),
    "series of objects": pd.Series(NAMES, dtype=object),
    "category": pd.Series(NAMES, dtype="category"),
    "string": pd.Series(NAMES, dtype="string"),
    "bytes": np.array([name.encode() for name in NAMES], dtype=object),
    "frame": pd.DataFrame({"kind": NAMES}),
    "polars": pl.Series(NAMES),
    "polars category": pl.Series(NAMES, dtype=pl.Categorical),
    "list": NAMES.tolist(),
    "one-hot frame": pd.get_dummies(pd.Series(NAMES)),
    "NumPy's strings": NAMES.astype(np.dtypes.StringDType()),
}


@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS)
def test_labels_of_every_kind(y: Any) -> None:
    dataset = xpmlp.from_arrays(MIXED, y, validation=(MIXED, y))
    assert dataset.classes.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(dataset.train.targets, TRUTHS)
    assert dataset.validation is not None
    np.testing.assert_array_equal(dataset.validation.targets, TRUTHS)


NUMBERED: dict[str, Any] = {
    "boolean": pd.Series(TRUTHS, dtype="boolean"),
    "Int64": pd.Series(TRUTHS.astype(int), dtype="Int64"),
    "objects": TRUTHS.astype(int).astype(object),
    "reals": TRUTHS.astype(float).astype(object),
    "column": TRUTHS[:, None],
    "one-hot": np.eye(2)[TRUTHS.astype(int)],
}


@pytest.mark.parametrize("y", NUMBERED.values(), ids=NUMBERED)
def test_labels_that_are_numbers(y: Any) -> None:
    dataset = xpmlp.from_arrays(MIXED, y)
    assert dataset.classes.tolist() == [0, 1]
    np.testing.assert_array_equal(dataset.train.targets, TRUTHS)


FEATURES: dict[str, Any] = {
    "mixed": MIXED,
    "nullable": MIXED.convert_dtypes(),
    "objects": MIXED.astype(object),
    "polars": pl.DataFrame({name: MIXED[name].to_numpy() for name in MIXED}),
    "array of objects": MIXED.to_numpy(dtype=object),
}


@pytest.mark.parametrize("x", FEATURES.values(), ids=FEATURES)
def test_features_of_every_kind(x: Any) -> None:
    features = xpmlp.from_arrays(x, NAMES).train.features
    np.testing.assert_array_equal(features, MIXED.to_numpy(dtype=float))
    assert features.dtype.kind == "f"


@pytest.mark.parametrize("y", [pd.Series(NUMBERS["a"], dtype="Float64"), NUMBERS["a"].astype(object)])
def test_values_of_every_kind(y: Any) -> None:
    targets = xpmlp.from_arrays(NUMBERS, y, values=True).train.targets
    np.testing.assert_array_equal(targets[:, 0], NUMBERS["a"])


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA])
def test_a_gap_is_named(gap: Any) -> None:
    labels = [*NAMES[:3].tolist(), gap, *NAMES[4:].tolist()]
    with pytest.raises(DataError, match=r"^y: the target of row 4 is missing; fill it in or drop the row"):
        xpmlp.from_arrays(NUMBERS, pd.Series(labels, dtype=object))
    features = MIXED.astype(object)
    features.iloc[3, 1] = gap
    with pytest.raises(DataError, match=r"^x: row 4, column .* is missing"):
        xpmlp.from_arrays(features, NAMES)


def test_labels_of_several_types_are_refused() -> None:
    with pytest.raises(DataError, match=r"^y: has labels of the type int and str; make all of them text or whole"):
        xpmlp.from_arrays(NUMBERS, np.array([1, "a"] * 20, dtype=object))


def test_a_label_that_is_a_text_is_refused() -> None:
    with pytest.raises(DataError, match="a label of 1,000 characters; at most 256"):
        xpmlp.from_arrays(NUMBERS, pd.Series(["x" * 1000, "y"] * 20))


@pytest.mark.parametrize("shape", [(6, 2, 3), (6, 2, 3, 1), (6, 1, 2, 3)])
def test_images_may_have_a_channel(shape: tuple[int, ...]) -> None:
    images = np.arange(36, dtype=np.uint8).reshape(shape)
    dataset = xpmlp.from_arrays(images, [0, 1] * 3)
    assert dataset.image_shape == (2, 3)
    np.testing.assert_array_equal(dataset.train.features, images.reshape(6, 6))


def test_several_channels_are_to_be_flattened() -> None:
    with pytest.raises(DataError, match=r"shape \(6, 2, 2, 3\).*flatten the channels: x.reshape\(len\(x\), -1\)"):
        xpmlp.from_arrays(np.zeros((6, 2, 2, 3)), [0, 1] * 3)
