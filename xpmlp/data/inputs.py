"""Inputs of ``xpmlp predict``: features without targets, shaped as the model's training data were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from xpmlp._paths import given_path
from xpmlp.data.format import Request
from xpmlp.data.formats import formats
from xpmlp.data.frames import matched_columns
from xpmlp.data.idx import read_idx
from xpmlp.data.labels import MISSING
from xpmlp.data.numpy_file import flattened, read_npy
from xpmlp.data.table import check_features
from xpmlp.errors import DataError

_IDX_ENDINGS = (".idx", ".idx.gz", "-ubyte", "-ubyte.gz")


def read_features(
    path: str | Path,
    *,
    n_features: int,
    data_format: str = "csv",
    feature_names: tuple[str, ...] | None = None,
    features: str = "features",
    target: str | Sequence[str] | None = None,
    missing: Sequence[str] = MISSING,
) -> NDArray[Any]:
    """Read raw features to predict from, for ``Preprocessing.apply``; the file's extension tells its format.

    Parameters
    ----------
    path : str or Path
        ``.npy``, ``.npz``, ``.csv``, or ``.idx`` (also MNIST's ``-ubyte``), the last gzipped or not.  A pipe without an
        extension is read as CSV.
    n_features : int
        The width of the model's input.
    data_format : str
        The format of the training data; its reader comes first where several read files of one extension.
    feature_names : tuple of str, or None
        The columns that the model was trained on; the columns of a CSV file or a structured array are matched by name,
        in any order.
    features : str
        The array to take from an npz file with several.
    target : str, sequence of str, or None
        The columns of a CSV file to leave out, where ``feature_names`` is not given.
    missing : sequence of str
        The texts that mean a missing value in a CSV file.

    Returns
    -------
    (n, n_features), in the stored type
        Images, (n, height, width), are flattened.

    Raises
    ------
    DataError
        If the file's kind is unknown, it cannot be read, its width is wrong, or a value is not a finite number.

    Examples
    --------
    >>> import numpy as np
    >>> np.save("new.npy", [[1.0, 2.0], [3.0, 4.0]])
    >>> read_features("new.npy", n_features=2).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    path = given_path(path)
    name, is_pipe = _name_and_pipe(path)
    readers = [(one.extensions, one.read_features) for one in map(formats.__getitem__, (data_format, *formats))]
    read = next((read for endings, read in readers if (".csv" if is_pipe else name).endswith(endings)), None)
    if read is not None:
        raw: NDArray[Any] = read(Request(path, target or (), features, feature_names, missing))
    elif name.endswith(".npy"):
        raw = matched_columns(read_npy(path), feature_names, str(path))
    elif name.endswith(_IDX_ENDINGS):
        raw = read_idx(path)
    else:
        endings = dict.fromkeys(ending for some, _ in readers for ending in some)
        raise DataError(f"{path}: of no kind that can be read; use {', '.join(endings)}, .npy, .idx or .idx.gz")
    flat, _ = flattened(raw, str(path))
    if flat.shape[1] != n_features:
        raise DataError(f"{path}: has {flat.shape[1]} features per example, but the model needs {n_features}")
    return check_features(flat, str(path), feature_names)


def _name_and_pipe(path: Path) -> tuple[str, bool]:
    """Return the name whose extension tells the format, and whether it is a pipe without one; resolves /dev/stdin."""
    if path.suffix:
        return path.name.lower(), False
    try:
        return path.resolve().name.lower(), path.is_fifo()
    except (OSError, RuntimeError, ValueError):  # it cannot be followed: its reader says why
        return path.name.lower(), False
