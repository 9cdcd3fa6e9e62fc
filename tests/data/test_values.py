"""Targets that are values: one column or several of csv and npz, and errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xpmlp.data import Dataset, load
from xpmlp.errors import DataError

ROWS = [(i, 2 * i, i / 4, 10 - i) for i in range(40)]
TABLE = "a,b,y,z\n" + "".join(",".join(map(str, row)) + "\n" for row in ROWS)
Write = Callable[[str], Path]


def test_one_column_with_fractions(write_csv: Write) -> None:
    dataset = load("csv", path=write_csv(TABLE), target="y", standardize=False)
    assert (dataset.target_names, dataset.n_classes) == (("y",), 0)
    assert dataset.feature_names == ("a", "b", "z")
    assert_the_rows_are_whole(dataset, lambda features: features[:, :1] / 4)


def test_several_columns_are_values_even_if_whole(write_csv: Write) -> None:
    dataset = load("csv", path=write_csv(TABLE), target=["z", "y"], standardize=False)
    assert dataset.target_names == ("z", "y")
    assert_the_rows_are_whole(dataset, lambda features: np.stack([10 - features[:, 0], features[:, 0] / 4], axis=1))


def assert_the_rows_are_whole(dataset: Dataset, expected: Callable[[np.ndarray[Any, Any]], Any]) -> None:
    """Targets still stand beside their features, and every row is in one part."""
    assert dataset.validation is not None
    assert dataset.test is not None
    parts = [dataset.train, dataset.validation, dataset.test]
    assert [len(part) for part in parts] == [28, 4, 8]
    assert sorted(np.concatenate([part.features[:, 0] for part in parts]).tolist()) == list(range(40))
    for part in parts:
        assert part.targets.dtype == np.float64
        np.testing.assert_array_equal(part.targets, expected(part.features))


def test_whole_numbers_are_classes_unless_values_are_asked_for(write_csv: Write) -> None:
    dataset = load("csv", path=write_csv(TABLE), target="a", targets="values")
    assert dataset.target_names == ("a",)
    assert dataset.train.targets.shape == (28, 1)
    kinds = load("csv", path=write_csv("a,kind\n" + "1,0\n2,1\n" * 20), target="kind")
    assert (kinds.target_names, kinds.classes.tolist()) == ((), [0, 1])


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)])
def test_npz(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    np.savez(tmp_path / "x.npz", features=np.arange(80).reshape(40, 2), price=values)
    dataset = load("npz", path=tmp_path / "x.npz", target="price", test_fraction=0)
    assert dataset.target_names == (("price",) if values.size == 40 else ("price[0]", "price[1]", "price[2]"))
    assert dataset.train.targets.shape == (36, values.size // 40)


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        (TABLE + "1,2,,4\n", {"target": "y"}, "row 41 has no value in column 'y'"),
        (TABLE + "1,2,nan,4\n", {"target": "y"}, r"row 41, column 'y' is missing \(NaN\)"),
        (TABLE + "1,2,3,inf\n", {"target": ["y", "z"]}, "row 41, column 'z' is infinite"),
        (TABLE + "1,2,3,many\n", {"target": ["y", "z"]}, "row 41, column 'z' has 'many', which is not a number"),
        (TABLE + "1,2,3,many\n", {"target": "z", "targets": "values"}, "target 'z' has labels, not numbers"),
        (TABLE, {"target": ["y", "zz"]}, "no column 'zz' for the target; did you mean 'z'"),
        (TABLE, {"target": ["a", "b", "y", "z"]}, "no feature columns"),
        (TABLE, {"target": "y", "targets": "classes"}, 'row 2 is 0.25; classes are .* set model.loss = "squared"'),
        (TABLE, {"target": ["y", "z"], "targets": "classes"}, "2 columns of targets, but classes are told by a single"),
        (
            TABLE,
            {"target": "y", "validation_size": 32},
            r"^data\.validation_size gives a validation part of 32 out of 32 examples and leaves none",
        ),
    ],
)
def test_each_mistake_in_values_gets_its_sentence(
    write_csv: Write, text: str, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        load("csv", path=write_csv(text), **arguments)
    assert len(str(caught.value).splitlines()) == 1


def test_an_npz_with_values_that_are_missing(tmp_path: Path) -> None:
    values = np.ones((40, 2))
    values[7, 1] = np.nan
    np.savez(tmp_path / "x.npz", features=np.ones((40, 2)), target=values)
    with pytest.raises(DataError, match=r"row 8, column 'target\[1\]' is missing \(NaN\)"):
        load("npz", path=tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"an npz file has one array of targets: give data\.target its name"):
        load("npz", path=tmp_path / "x.npz", target=["a", "b"])
    np.savez(tmp_path / "x.npz", features=np.ones((40, 2)), target=np.ones((40, 0)))
    with pytest.raises(DataError, match=r"'target' has shape \(40, 0\)"):
        load("npz", path=tmp_path / "x.npz")
