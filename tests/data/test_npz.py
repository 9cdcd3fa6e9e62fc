"""A user's npz file: accepted shapes and types, and the message about each mistake."""

from __future__ import annotations

import io
import pickle
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpmlp.data import load
from xpmlp.errors import DataError

X = np.arange(80.0).reshape(40, 2)
Y = np.arange(40) % 2


def save(folder: Path, **arrays: Any) -> Path:
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return path


def test_images_are_flattened_and_stay_bytes(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 5), dtype=np.uint8)
    dataset = load("npz", path=save(tmp_path, features=images, target=Y), split="test", test_fraction=0.5)
    assert dataset.image_shape == (3, 5)
    assert dataset.train.features.dtype == np.uint8
    assert dataset.preprocessing.scale == pytest.approx(1 / 255)
    rows = {row.tobytes() for row in dataset.train.features} | {row.tobytes() for row in dataset.test.features}  # type: ignore[union-attr]
    assert rows == {image.tobytes() for image in images}


def test_tables_are_standardised(tmp_path: Path) -> None:
    dataset = load("npz", path=save(tmp_path, features=X, target=Y))
    assert dataset.image_shape is None
    np.testing.assert_allclose(dataset.train.features.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(dataset.train.features.std(axis=0), 1.0)


def test_arrays_are_chosen_by_name(tmp_path: Path) -> None:
    path = save(tmp_path, a=X, b=Y, c=X + 1)
    dataset = load("npz", path=path, features="c", target="b", standardize=False)
    assert set(dataset.train.features[:, 0]) <= set(X[:, 0] + 1)


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", ">i4", "f2", ">f8", "f4", "g"])
def test_number_types_keep_their_values(tmp_path: Path, dtype: str) -> None:
    features = (X % 2 if dtype == "?" else X).astype(dtype)
    dataset = load("npz", path=save(tmp_path, features=features, target=Y), standardize=False)
    assert dataset.train.features.dtype.isnative
    assert dataset.train.features.dtype.itemsize <= 8
    assert dataset.train.features.flags.c_contiguous
    assert set(dataset.train.features[:, 1]) <= set(features[:, 1].astype(float))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (Y.astype(bool), [False, True]),
        (Y.astype("u1") + 7, [7, 8]),
        (Y.astype("f4"), [0, 1]),
        (Y.astype("f2"), [0, 1]),
        (np.array(["b", "a"] * 20), ["a", "b"]),
        (np.array([b"b", b"a"] * 20), ["a", "b"]),
        (np.where(Y, 2**62, 2**62 + 1), [2**62, 2**62 + 1]),
    ],
)
def test_labels_of_any_type(tmp_path: Path, labels: np.ndarray[Any, Any], classes: list[object]) -> None:
    dataset = load("npz", path=save(tmp_path, features=X, target=labels), standardize=False)
    assert dataset.classes.tolist() == classes
    first = (dataset.train.features[:, 0] / 2).astype(int)
    expected = labels[first].astype(str) if labels.dtype.kind == "S" else labels[first]
    np.testing.assert_array_equal(dataset.classes[dataset.train.targets], expected)


NAN = X.copy()
NAN[3, 1] = np.nan


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"feature": X, "target": Y}, "no array 'features'; did you mean 'feature'"),
        ({"features": X, "y": Y}, "no array 'target'; there is 'features', 'y'"),
        ({"features": X[:, 0], "target": Y}, r"shape \(40,\); \(n, n_features\) or"),
        ({"features": X.reshape(40, 2, 1, 1, 1), "target": Y}, r"shape \(40, 2, 1, 1, 1\)"),
        ({"features": X, "target": Y[:39]}, "40 examples, but array 'target' has 39 labels"),
        ({"features": X, "target": Y.reshape(10, 2, 2)}, r"'target' has shape \(10, 2, 2\)"),
        ({"features": X.astype(complex), "target": Y}, "features of type complex128 are not numbers"),
        ({"features": X.astype(str), "target": Y}, "are not numbers"),
        ({"features": X.astype("M8[s]"), "target": Y}, "are not numbers"),
        ({"features": NAN, "target": Y}, r"row 4, column 2 is missing \(NaN\)"),
        ({"features": X[:0], "target": Y[:0]}, "has no rows"),
        ({"features": X[:, :0], "target": Y}, "has no feature columns"),
        ({"features": X, "target": Y * 0}, "all targets are 0"),
        ({"features": X, "target": Y * np.nan}, "target of row 1 is missing"),
        ({"features": X, "target": Y * 1e300}, "too large to be told apart"),
        ({"features": X, "target": Y.astype("u8") * (2**64 - 1)}, "too large"),
        ({"features": X, "target": Y.astype(complex)}, "targets of type complex128 cannot be classes"),
        ({"features": X.astype(object), "target": Y}, "'features': holds Python objects, which are never unpickled"),
        ({"features": X, "target": Y.astype(object)}, "'target': holds Python objects"),
    ],
)
def test_each_mistake_gets_its_sentence(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        load("npz", path=save(tmp_path, **arrays))
    assert "mine.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


class Bomb:
    """Unpickling it leaves a trace."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("unpickled"),))


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.npz"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="not a zip file"):
        load("npz", path=path)
    objects = np.empty(40, dtype=object)
    objects[:] = Bomb()
    with pytest.raises(DataError, match="Python objects"):
        load("npz", path=save(tmp_path, features=X, target=objects))
    assert not (tmp_path / "unpickled").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    with pytest.raises(DataError, match="no such file"):
        load("npz", path=path)
    with path.open("wb") as file:
        np.save(file, X)
    with pytest.raises(DataError, match=r"a single array without a name; save it with numpy\.savez"):
        load("npz", path=path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="not a readable npz"):
        load("npz", path=path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("features", b"no array")
    with pytest.raises(DataError, match=r"'features': .*signature is missing"):
        load("npz", path=path)


def _npz(compressed: bool) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, features=X, target=Y)
    return buffer.getvalue()


@given(st.booleans(), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4))
def test_no_damage_does_worse_than_a_data_error(compressed: bool, changes: list[tuple[float, int]]) -> None:
    content = bytearray(_npz(compressed))
    for where, value in changes:
        content[int(where * len(content))] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.npz"
        path.write_bytes(content)
        try:
            dataset = load("npz", path=path, standardize=False)
        except DataError:
            return
    assert set(dataset.train.features.ravel()) <= set(X.ravel())
