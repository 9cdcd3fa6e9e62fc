"""Inputs of ``xpmlp predict``, in every format."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.conftest import idx_bytes
from xpmlp.data import read_features
from xpmlp.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 2, 3), dtype=np.uint8)
FLAT = IMAGES.reshape(5, 6)


@pytest.mark.parametrize("shape", [(5, 6), (5, 2, 3)])
@pytest.mark.parametrize("name", ["in.npy", "in.npz", "in.idx", "in.idx.gz", "t10k-images-idx3-ubyte.gz", "IN.NPY"])
def test_arrays_of_each_format(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    path, array = tmp_path / name, IMAGES.reshape(shape)
    if name.lower().endswith("npy"):
        with path.open("wb") as file:
            np.save(file, array)
    elif name.endswith("npz"):
        np.savez(path, anything=array)
    else:
        path.write_bytes(gzip.compress(idx_bytes(array)) if name.endswith("gz") else idx_bytes(array))
    got = read_features(path, n_features=6)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, FLAT)


def test_an_npz_of_several_arrays_needs_the_right_name(tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    np.savez(path, features=FLAT, target=np.arange(5))
    np.testing.assert_array_equal(read_features(path, n_features=6), FLAT)
    with pytest.raises(DataError, match="no array 'inputs'; there is 'features', 'target'"):
        read_features(path, n_features=6, features="inputs")


def test_csv_columns_are_matched_by_name(write_csv: Callable[[str], Path]) -> None:
    path = write_csv("kind,b,id,a\ncat,2,x,1\ndog,4,y,3\n")
    got = read_features(path, n_features=2, feature_names=("a", "b"), target="kind")
    np.testing.assert_array_equal(got, [[1.0, 2.0], [3.0, 4.0]])


def test_csv_columns_through_a_pipe_or_a_link(write_csv: Callable[[str], Path], tmp_path: Path) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "latest", write_csv("a,b\n1,2\n3,4\n")
    os.mkfifo(pipe)
    link.symlink_to(file)
    with ThreadPoolExecutor() as threads:
        threads.submit(pipe.write_bytes, file.read_bytes())
        for path in (pipe, link):
            got = read_features(path, n_features=2, feature_names=("a", "b"))
            np.testing.assert_array_equal(got, [[1.0, 2.0], [3.0, 4.0]])


def test_gaps_in_csv_columns_are_named(write_csv: Callable[[str], Path]) -> None:
    path = write_csv("a,b\n1,2\n3,-999\n")
    assert read_features(path, n_features=2).shape == (2, 2)
    with pytest.raises(DataError, match=r"row 2, column 'b' has '-999', which data\.missing takes for a missing value"):
        read_features(path, n_features=2, missing=["-999"])


def test_missing_csv_columns_are_named(write_csv: Callable[[str], Path]) -> None:
    path = write_csv("A,b\n1,2\n")
    with pytest.raises(DataError, match="lacks 'a', 'c', which the model was trained on; did you mean 'A'"):
        read_features(path, n_features=3, feature_names=("a", "b", "c"))


def test_csv_without_known_names_is_all_columns_but_the_target(write_csv: Callable[[str], Path]) -> None:
    path = write_csv("0,1,target\n5,6,0\n7,8,1\n")
    np.testing.assert_array_equal(read_features(path, n_features=2, target="target"), [[5, 6], [7, 8]])


def test_a_csv_without_a_header_is_noticed(write_csv: Callable[[str], Path]) -> None:
    with pytest.raises(DataError, match="first line has numbers only; a header"):
        read_features(write_csv("5.1,3.5\n4.9,3.0\n"), n_features=2)
    np.testing.assert_array_equal(read_features(write_csv("0,1\n4.9,3.0\n"), n_features=2), [[4.9, 3.0]])


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (FLAT[:, :5], "5 features per example, but the model needs 6"),
        (IMAGES[:, :, :2], "4 features per example, but the model needs 6"),
        (FLAT[0], r"shape \(6,\)"),
        (FLAT[:0], "has no rows"),
        (np.full((2, 6), np.nan), "row 1, column 1 is missing"),
        (np.full((2, 6), "1"), "are not numbers"),
        (np.full((2, 6), None), "Python objects"),
    ],
)
def test_each_mistake_gets_its_sentence(tmp_path: Path, array: np.ndarray[Any, Any], says: str) -> None:
    path = tmp_path / "in.npy"
    np.save(path, array)
    with pytest.raises(DataError, match=says) as caught:
        read_features(path, n_features=6)
    assert "in.npy" in str(caught.value)


@pytest.mark.parametrize("name", ["in.txt", "in.csv.gz", "in"])
def test_other_kinds_of_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"use \.csv, \.npz, \.npy, \.idx or \.idx\.gz"):
        read_features(tmp_path / name, n_features=6)


@pytest.mark.parametrize("name", ["in.npy", "in.npz", "in.csv", "in.idx"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: no such file"):
        read_features(tmp_path / name, n_features=6)


def test_an_archive_called_npy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.npy"
    with path.open("wb") as file:
        np.savez(file, features=FLAT)
    with pytest.raises(DataError, match=r"holds several arrays; name it \.npz"):
        read_features(path, n_features=6)


@given(st.lists(st.tuples(st.integers(0, 127), st.integers(0, 255)), max_size=4))
def test_no_damaged_npy_header_does_worse_than_a_data_error(changes: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.npy"
        np.save(path, FLAT)
        content = bytearray(path.read_bytes())
        for position, value in changes:
            content[position] = value
        path.write_bytes(content)
        try:
            got = read_features(path, n_features=6)
        except DataError:
            return
    assert got.shape[1] == 6
