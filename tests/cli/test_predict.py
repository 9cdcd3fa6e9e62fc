"""``xpmlp predict``: every kind of input and of output, and its errors."""

from __future__ import annotations

import csv
import errno
import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import xpmlp as library
from tests.cli.conftest import Run
from tests.digits import digits_config
from tests.helpers import cases
from xpmlp.backend import Backend
from xpmlp.storage import load_network


def expected(run: Path, features: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The probabilities, computed by hand from the saved weights: one hidden layer of relu."""
    network = load_network(run / "weights.safetensors")
    (first, shift), (second, last) = network.parameters
    inputs = network.preprocessing.apply(features) * network.preprocessing.scale
    exponentials = np.exp(np.maximum(inputs @ first + shift, 0) @ second + last)
    probabilities: npt.NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def read_csv(path: Path) -> tuple[list[str], list[str], npt.NDArray[np.float64]]:
    """(header, classes, probabilities) of a CSV output."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, [row[0] for row in rows], np.array([row[1:] for row in rows], dtype=float)


def write(path: Path, images: npt.NDArray[np.uint8]) -> None:
    """Write the digits in the format that the name asks for."""
    if path.suffix == ".npy":
        np.save(path, images)
    elif path.suffix == ".npz":
        np.savez(path, features=images, other=np.zeros(3))
    elif path.suffix == ".csv":
        lines = [",".join(f"pixel {index}" for index in range(64))]
        lines += [",".join(map(str, image.ravel())) for image in images]
        path.write_text("\n".join(lines) + "\n")
    else:
        content = b"\0\0\x08\x03" + struct.pack(">3I", *images.shape) + images.tobytes()
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.csv", "x.idx", "x.idx.gz", "images-idx3-ubyte.gz"])
def test_every_input(xpmlp: Run, digits_run: Path, digits_features: Any, tmp_path: Path, name: str) -> None:
    features = digits_features[:30]
    write(tmp_path / name, features.reshape(-1, 8, 8))
    outcome = xpmlp("predict", digits_run, tmp_path / name, "--output", tmp_path / "out.csv")
    assert outcome == (0, f"30 predictions in {tmp_path / 'out.csv'}\n", "")
    header, classes, probabilities = read_csv(tmp_path / "out.csv")
    wanted = expected(digits_run, features)
    assert header == ["class", *(f"probability of {digit}" for digit in range(10))]
    assert classes == [str(digit) for digit in wanted.argmax(axis=1)]
    np.testing.assert_allclose(probabilities, wanted, rtol=1e-4, atol=1e-6)


def test_npy_output(xpmlp: Run, digits_run: Path, digits_features: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", digits_features)
    assert xpmlp("predict", digits_run, tmp_path / "x.npy", "-o", tmp_path / "out.npy").status == 0
    table = np.load(tmp_path / "out.npy")
    wanted = expected(digits_run, digits_features)
    assert table.shape == (1797,)
    np.testing.assert_allclose(table["probabilities"], wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(table["class"], table["probabilities"].argmax(axis=1))


def test_labels_and_columns_of_a_csv_file(xpmlp: Run, iris_run: Path, iris_csv: Path, tmp_path: Path) -> None:
    header, *lines = iris_csv.read_text().splitlines()
    names, rows = header.split(","), [line.split(",") for line in lines]
    # other columns besides, and in another order: they are found by name
    shuffled = ["note,petal width,petal length,sepal width,sepal length"]
    shuffled += [f"7,{row[3]},{row[2]},{row[1]},{row[0]}" for row in rows]
    (tmp_path / "new.csv").write_text("\n".join(shuffled) + "\n")
    assert xpmlp("predict", iris_run, tmp_path / "new.csv", "-o", tmp_path / "out.csv").status == 0
    title, classes, probabilities = read_csv(tmp_path / "out.csv")
    assert names[-1] == "kind"
    assert title == ["class", *(f"probability of {kind}" for kind in ("setosa", "versicolor", "virginica"))]
    assert np.mean([label == row[-1] for label, row in zip(classes, rows, strict=True)]) > 0.9
    wanted = expected(iris_run, np.array([row[:4] for row in rows], dtype=float))
    np.testing.assert_allclose(probabilities, wanted, rtol=1e-4, atol=1e-6)


def test_labels_in_an_npy_file(xpmlp: Run, iris_run: Path, iris_csv: Path, tmp_path: Path) -> None:
    assert xpmlp("predict", iris_run, iris_csv, "-o", tmp_path / "out.npy").status == 0
    table = np.load(tmp_path / "out.npy", allow_pickle=False)
    assert set(table["class"]) == {"setosa", "versicolor", "virginica"}
    assert table["probabilities"].shape == (150, 3)


@pytest.mark.parametrize("case", cases("strict", "torch", "jax", "cupy", dtype="float32"))
def test_another_backend_says_the_same(
    digits_run: Path, digits_features: Any, case: Any, get_backend: Callable[..., Backend]
) -> None:
    get_backend(*case)  # or skip
    prediction = library.predict(digits_run, digits_features, backend=case.name, device=case.device)
    np.testing.assert_allclose(prediction.outputs, expected(digits_run, digits_features), rtol=1e-4, atol=1e-6)
    assert prediction.names.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("threshold", "refused"),
    [("", "empty is no rule"), ("{1=", "{1= is no rule"), ("{1=-1}", "{ 1 = -1 } is not allowed"), ("true", "true is")],
)
def test_a_threshold_that_is_none(
    xpmlp: Run, digits_run: Path, digits_features: Any, tmp_path: Path, threshold: str, refused: str
) -> None:
    np.save(tmp_path / "x.npy", digits_features)
    outcome = xpmlp("predict", digits_run, tmp_path / "x.npy", "-o", tmp_path / "out.npy", "--threshold", threshold)
    outcome.assert_refused(f"error: model.threshold = {refused}")


def test_prints_nothing_from_python(digits_run: Path, digits_features: Any, capfd: pytest.CaptureFixture[str]) -> None:
    library.predict(digits_run, digits_features.reshape(-1, 8, 8).tolist())
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def source(tmp_path: Path, digits_features: Any) -> Path:
    """An input that is fine."""
    np.save(tmp_path / "x.npy", digits_features[:3])
    return tmp_path / "x.npy"


def refused(xpmlp: Run, run: Path, source: Path, output: Path, *parts: str) -> None:
    """Assert that this is refused, and that nothing is left beside what there was."""
    before = sorted(output.parent.rglob("*"))
    xpmlp("predict", run, source, "--output", output).assert_refused(*parts)
    assert sorted(output.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("features", "parts"),
    [
        (np.zeros((3, 63)), ["63 features", "needs 64"]),
        (np.zeros((3, 8, 9)), ["72 features", "needs 64"]),
        (np.zeros((3, 2, 2, 16)), ["shape (3, 2, 2, 16)"]),
        (np.zeros(64), ["shape (64,)"]),
        (np.zeros((0, 64)), ["x.npy"]),
        (np.full((3, 64), np.nan), ["x.npy", "NaN"]),
        (np.full((3, 64), -np.inf), ["x.npy", "infinite"]),
        (np.full((3, 64), "a"), ["x.npy", "numbers"]),
        (np.full((3, 64), 1e300), ["example 0", "too large for float32"]),
    ],
    ids=["narrow", "image", "4-D", "1-D", "none", "nan", "inf", "text", "huge"],
)
def test_features_that_do_not_fit(
    xpmlp: Run, digits_run: Path, tmp_path: Path, features: npt.NDArray[Any], parts: list[str]
) -> None:
    np.save(tmp_path / "x.npy", features)
    refused(xpmlp, digits_run, tmp_path / "x.npy", tmp_path / "out.csv", *parts)


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("x.txt", b"1 2 3", ["of no kind that can be read", ".csv"]),
        ("x.npy", b"1 2 3", ["not a readable npy file"]),
        ("x.npz", b"1 2 3", ["not a readable npz file"]),
        ("x.idx", b"1 2 3", ["not an IDX file"]),
        ("x.idx.gz", b"1 2 3", ["not an IDX file"]),
        ("x.csv", b"", ["is empty"]),
        ("x.csv", b"a,b\n1,x\n", ["'x'", "not a number"]),
        ("x.csv", b"a,b\n1,2\n", ["2 features", "needs 64"]),
    ],
)
def test_files_that_cannot_be_read(
    xpmlp: Run, digits_run: Path, tmp_path: Path, name: str, content: bytes, parts: list[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    refused(xpmlp, digits_run, tmp_path / name, tmp_path / "out.csv", str(tmp_path / name), *parts)


def test_a_column_that_is_missing(xpmlp: Run, iris_run: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("sepal length,sepal width,petal length\n1,2,3\n")
    refused(xpmlp, iris_run, tmp_path / "x.csv", tmp_path / "out.csv", "lacks 'petal width'")


def test_an_input_that_is_missing(xpmlp: Run, digits_run: Path, tmp_path: Path) -> None:
    refused(xpmlp, digits_run, tmp_path / "x.npy", tmp_path / "out.csv", "x.npy", "no such file")


@pytest.mark.parametrize("name", ["out.txt", "out", "out.csv.gz", "out.npz"])
def test_endings_of_the_output(xpmlp: Run, digits_run: Path, source: Path, tmp_path: Path, name: str) -> None:
    refused(xpmlp, digits_run, source, tmp_path / name, name, "must end in .csv or .npy")


def test_outputs_that_cannot_be_written(xpmlp: Run, digits_run: Path, source: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    refused(xpmlp, digits_run, source, tmp_path / "folder.csv", "cannot be written")
    refused(xpmlp, digits_run, source, tmp_path / "file" / "out.csv", "cannot be written", os.strerror(errno.ENOTDIR))
    refused(xpmlp, digits_run, source, tmp_path / "no" / "out.csv", "cannot be written", os.strerror(errno.ENOENT))


@pytest.mark.parametrize("name", ["out.csv", "out.npy"])
def test_a_full_disk_keeps_the_old_output(
    xpmlp: Run, digits_run: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / name).write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    refused(xpmlp, digits_run, source, tmp_path / name, "cannot be written", os.strerror(errno.ENOSPC))
    assert (tmp_path / name).read_text() == "old"


def test_not_a_run_folder(xpmlp: Run, source: Path, tmp_path: Path) -> None:
    refused(xpmlp, tmp_path, source, tmp_path / "out.csv", "is not a run folder")


def test_classes_that_are_signs_come_back_unchanged(xpmlp: Run, tmp_path: Path) -> None:
    rows = [f"{index % 2},{index * 3 % 5},{'+' if index % 2 else '-'}" for index in range(60)]
    (tmp_path / "d.csv").write_text("\n".join(["a,b,kind", *rows]) + "\n")
    changes = {"data.name": "csv", "data.path": str(tmp_path / "d.csv"), "data.target": "kind", "train.epochs": 60}
    library.train(digits_config(changes), tmp_path / "run")
    assert xpmlp("predict", tmp_path / "run", tmp_path / "d.csv", "-o", tmp_path / "out.csv").status == 0
    header, classes, _ = read_csv(tmp_path / "out.csv")
    assert header == ["class", "probability of +", "probability of -"]
    assert classes == [row[-1] for row in rows]
