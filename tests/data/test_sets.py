"""The sets without files, the arguments of ``load``, and the cost of importing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from xpmlp.data import Dataset, Part, Table, list_sets, load
from xpmlp.data.table import checked_table
from xpmlp.errors import DataError


def parts(dataset: Dataset) -> list[Part]:
    return [part for part in (dataset.train, dataset.validation, dataset.test) if part is not None]


def test_synth_is_the_courseworks_to_the_bit() -> None:
    dataset = load("synth")
    assert dataset.validation is not None
    assert dataset.test is None
    assert dataset.hashes["x"].startswith("9bd1548f555ca4c6")
    assert dataset.hashes["y"].startswith("1830b053d63fe0ca")
    assert (len(dataset.train), len(dataset.validation)) == (60_000, 10_000)
    assert (dataset.train.targets.sum(), dataset.validation.targets.sum()) == (33_494, 5_622)
    x1, x2 = dataset.train.features[:1000].T  # the form written out: x1^2 + (1 - 0.05) x1 x2 + 0.4 x2^2
    np.testing.assert_array_equal(dataset.train.targets[:1000], x1**2 + 0.95 * x1 * x2 + 0.4 * x2**2 > 0.6)


def test_synth_does_not_touch_the_global_generator() -> None:
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    load("synth")
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("split", ["test", "three-way"])
def test_synth_has_no_test_part(split: str) -> None:
    with pytest.raises(
        DataError, match=rf'^data\.split = "{split}" .* synth has none: use data\.split = "validation"$'
    ):
        load("synth", split=split)


def test_digits_are_bytes_and_whole() -> None:
    dataset = load("digits")
    assert [len(part) for part in parts(dataset)] == [1293, 144, 360]
    assert all(part.features.dtype == np.uint8 for part in parts(dataset))
    assert all(part.features.flags.c_contiguous for part in parts(dataset))
    assert dataset.preprocessing.mean is None
    assert dataset.preprocessing.scale == 1 / 16
    assert dataset.image_shape == (8, 8)
    rows = np.concatenate([np.column_stack([part.features, part.targets]) for part in parts(dataset)])
    bunch = load_digits()
    expected = np.column_stack([bunch.data, bunch.target])
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])


def test_every_part_keeps_the_classes_shares() -> None:
    dataset = load("digits")
    shares = np.bincount(load_digits().target) / 1797
    for part in parts(dataset):
        assert abs(np.bincount(part.targets) - shares * len(part)).max() <= 1.5


def test_the_test_part_is_the_same_for_every_split_and_changes_with_the_seed() -> None:
    by_split = [load("digits", split=split).test for split in ("validation", "test", "three-way")]
    by_size = load("digits", validation_size=300).test
    assert all(part is not None for part in (*by_split, by_size))
    for part in (*by_split[1:], by_size):
        np.testing.assert_array_equal(part.features, by_split[0].features)  # type: ignore[union-attr]
    other = load("digits", seed=1).test
    assert not np.array_equal(other.features, by_split[0].features)  # type: ignore[union-attr]
    assert load("digits", seed=2**40).test is not None


def test_split_test_trains_on_all_that_is_left() -> None:
    dataset = load("digits", split="test")
    assert dataset.validation is None
    assert [len(part) for part in parts(dataset)] == [1437, 360]


def test_sizes_are_obeyed() -> None:
    dataset = load("digits", test_fraction=0.5, validation_size=200)
    assert [len(part) for part in parts(dataset)] == [698, 200, 899]
    assert load("digits", test_fraction=0.0).test is None
    assert len(load("synth", validation_size=1000).train) == 69_000


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("mnits", {}, "no data set 'mnits'; did you mean 'mnist'"),
        ("digits", {"split": "three_way"}, "no split 'three_way'; did you mean 'three-way'"),
        ("digits", {"validation_size": 0}, r"^data\.validation_size = 0 must be 1 or more"),
        ("digits", {"validation_size": 1435}, r"^data\.validation_size gives .* 1435 out of 1437"),
        (
            "digits",
            {"validation_size": 9},
            r"^data\.validation_size gives .* at least one example for each of the 10 classes",
        ),
        ("digits", {"test_fraction": 1.0}, r"^data\.test_fraction = 1.0 must be"),
        ("digits", {"test_fraction": -0.1}, r"^data\.test_fraction = -0.1 must be"),
        ("digits", {"test_fraction": float("nan")}, r"^data\.test_fraction = nan must be"),
        ("digits", {"test_fraction": 0.999}, r"^data\.test_fraction gives"),
        (
            "digits",
            {"test_fraction": 0.0, "split": "three-way"},
            r'^data\.split = "three-way" needs a test part: set data\.test_fraction',
        ),
        ("digits", {"seed": -1}, r"^data\.seed = -1"),
        ("digits", {"path": "mine.csv"}, r"^data\.path = 'mine.csv' is for csv and npz"),
        ("synth", {"root": "data"}, r"^data\.root = 'data' is for mnist and fashion-mnist"),
        ("synth", {"validation_size": 70_000}, r"^data\.validation_size = 70000 leaves nothing to train on"),
        ("csv", {}, r"csv needs a file: set data\.path"),
        ("npz", {}, r"npz needs a file: set data\.path"),
    ],
)
def test_each_bad_argument_gets_its_sentence(name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        load(name, **options)  # type: ignore[arg-type]


def test_the_list_has_every_set() -> None:
    assert [row.name for row in list_sets()] == ["mnist", "fashion-mnist", "synth", "digits", "csv", "npz", "table"]


def test_importing_loads_nothing_heavy() -> None:
    heavy = ("scipy", "sklearn", "polars", "pooch", "tqdm", "requests", "filelock", "matplotlib")
    code = f"import sys, xpmlp.data; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


X = np.ones((20, 2))


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (None, "own: its `read` returned a NoneType; it has to be a Table or a Dataset"),
        (Table("t", np.ones((2, 2)), np.ones((2, 0))), r"the labels \(2, 0\); they have to"),
        (Table("t", X, np.zeros(19)), r"t: the features have the shape \(20, 2\) and the labels \(19,\)"),
        (Table("t", X[:, 0], np.zeros(20)), r"t: the features have the shape \(20,\)"),
        (Table("t", X * np.nan, np.zeros(20)), r"t: row 1, column 1 is missing \(NaN\)"),
        (Table("t", X.astype(str), np.zeros(20)), "t: features of type <U32 are not numbers"),
    ],
)
def test_what_a_format_from_outside_reads_is_checked(read: Table | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        checked_table(read, "own")
    lists: Any = [[1.0, 2.0], [3.0, 4.0]]
    assert checked_table(Table("t", lists, np.arange(2)), "own").features.shape == (2, 2)
