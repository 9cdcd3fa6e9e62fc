"""What ``xpmlp predict`` reads: features without targets, shaped as the model's training data were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from xpmlp._paths import given_path
from xpmlp.data.csv_file import read_csv_features
from xpmlp.data.idx import read_idx
from xpmlp.data.numpy_file import flattened, read_npy, read_npz_features
from xpmlp.data.table import check_features
from xpmlp.errors import DataError

_IDX_ENDINGS = (".idx", ".idx.gz", "-ubyte", "-ubyte.gz")


def read_features(
    path: str | Path,
    *,
    n_features: int,
    feature_names: tuple[str, ...] | None = None,
    features: str = "features",
    target: str | Sequence[str] | None = None,
) -> NDArray[Any]:
    """Raw features to predict from, as ``Preprocessing.apply`` takes them; the file's ending says its format.

    Parameters
    ----------
    path : str or Path
        ``.npy``, ``.npz``, ``.csv``, or ``.idx`` (also MNIST's ``-ubyte``), this one gzipped or not.
    n_features : int
        The width of the model's input.
    feature_names : tuple of str, or None
        The columns that the model was trained on; a CSV file's columns are matched by them, in any order.
    features : str
        The array to take from an npz file that has several.
    target : str, sequence of str, or None
        A CSV file's columns to leave out, where ``feature_names`` does not say which to take.

    Returns
    -------
    (n, n_features), in the type they are stored in
        Images, (n, height, width), are flattened.

    Raises
    ------
    DataError
        If the file is of no known kind, cannot be read, has another width, or a value is not a finite number.
    """
    path = given_path(path)
    name = path.name.lower()
    if name.endswith(".csv"):
        raw: NDArray[Any] = read_csv_features(path, feature_names, target)
    elif name.endswith(".npy"):
        raw = read_npy(path)
    elif name.endswith(".npz"):
        raw = read_npz_features(path, features)
    elif name.endswith(_IDX_ENDINGS):
        raw = read_idx(path)
    else:
        raise DataError(f"{path}: of no kind that can be read; use .npy, .npz, .csv, .idx or .idx.gz")
    flat, _ = flattened(raw, str(path))
    if flat.shape[1] != n_features:
        raise DataError(f"{path}: has {flat.shape[1]} features per example, but the model needs {n_features}")
    return check_features(flat, str(path), feature_names)
