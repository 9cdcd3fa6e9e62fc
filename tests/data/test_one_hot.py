"""Targets with a column for each class and a single 1 in each row: classes, unless they are something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xpmlp.data import load

NUMBERS = np.arange(60) % 3


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    """Images with a channel, each of one grey value, which is its class."""
    images = np.full((60, 4, 4, 1), NUMBERS[:, None, None, None], dtype=np.uint8)
    np.savez(tmp_path / "d.npz", features=images, target=np.eye(3)[NUMBERS])
    return tmp_path / "d.npz"


def test_an_npz_file_as_keras_has_it(npz: Path) -> None:
    dataset = load("npz", path=npz)
    assert dataset.image_shape == (4, 4)
    assert dataset.classes.tolist() == [0, 1, 2]
    assert dataset.target_names == ()
    np.testing.assert_array_equal(dataset.train.targets, dataset.train.features[:, 0])


@pytest.mark.parametrize("targets", ["values", "flags"])
def test_they_may_be_something_else(npz: Path, targets: str) -> None:
    dataset = load("npz", path=npz, targets=targets)  # type: ignore[arg-type]
    assert dataset.classes.size == 0
    np.testing.assert_array_equal(dataset.train.targets, np.eye(3)[dataset.train.features[:, 0]])


def test_columns_of_a_csv_file_are_called_by_their_names(write_csv: Callable[[str], Path]) -> None:
    path = write_csv("a,cat,dog\n" + "".join(f"{i},{i % 2},{1 - i % 2}\n" for i in range(20)))
    dataset = load("csv", path=path, target=["cat", "dog"], standardize=False)
    assert dataset.classes.tolist() == ["cat", "dog"]
    np.testing.assert_array_equal(dataset.train.targets, (dataset.train.features[:, 0] + 1) % 2)


def test_several_ones_in_a_row_are_values(write_csv: Callable[[str], Path]) -> None:
    path = write_csv("a,x,y\n" + "".join(f"{i},{i % 2},1\n" for i in range(20)))
    assert load("csv", path=path, target=["x", "y"]).target_names == ("x", "y")
