"""Data sets from arrays of any library, built where the arrays are, without hidden copies."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, is_torch_array

from xpmlp._typing import Array
from xpmlp.backend import HOST, Backend, residence_of, resolve
from xpmlp.data import Dataset, Part, Preprocessing
from xpmlp.data.codes import check_codes, count_codes
from xpmlp.data.frames import column_at, column_names, matched_columns
from xpmlp.data.numpy_file import image_shape_of
from xpmlp.data.objects import column_as_numbers, labels_of_objects
from xpmlp.data.table import as_labels, check_features, check_finite, class_indices, class_labels
from xpmlp.errors import DataError

GivenExamples = tuple[Any, Any] | tuple[Any, Any, Any]
"""Features (n, n_features) or (n, height, width), labels (n,), and codes (n, columns) if the training part has any:
data frames, arrays of any library, or other input to ``numpy.asarray``."""

_NO_CLASSES = np.empty(0, dtype=np.int64)


def from_arrays(
    x: Any,
    y: Any,
    *,
    codes: Any = None,
    validation: GivenExamples | None = None,
    test: GivenExamples | None = None,
    scale: float = 1.0,
    values: bool = False,
) -> Dataset:
    """Make a data set from arrays or data frames, to train on: ``xpmlp.train(config, data=from_arrays(x, y))``.

    Features in host memory are shared, not copied, if their library supports it (DLPack) and their layout is suitable.
    Features on a GPU, or another accelerator, stay there: train on their own backend and device, or on another
    library's backend for the same device.  Targets are copied to the host once, where the classes are counted.

    Parameters
    ----------
    x : (n, n_features) or (n, height, width)
        Numbers, none of them missing or infinite; their only preprocessing is ``scale``.  The column names of a data
        frame (pandas, polars, pyarrow) or a structured array are kept: later evaluations and predictions match their
        columns by name.
    y : (n,), or (n, n_targets)
        Labels: whole numbers, booleans or names, as one column, or one-hot, (n, n_classes).  Or values to predict, in
        one or several columns.
    codes : (n, columns), optional
        Integer codes of categories: 0 for an unknown one, 1 for a missing one, the others from 2.  A network with
        ``model.layers`` takes them in layers of the kinds "categories", "embedding" and "one_hot"; one of
        ``model.hidden_layer_sizes`` encodes them by itself.
    validation, test : (x, y), or (x, y, codes), optional
        To evaluate after each epoch, and once at the end if ``data.split`` says so.
    scale : float
        Factor on the features, for example 1 / 255 for uint8 images; the stored features are not changed.
    values : bool
        Whether the targets are values rather than labels, for the losses squared, poisson, absolute, huber and
        quantile.

    Returns
    -------
    dataset : Dataset

    Raises
    ------
    DataError
        If the arrays have other shapes, lengths or types than these, a value is not a finite number, a label is
        missing, or a part lacks a column of the training part or has a label unknown to it.

    Examples
    --------
    >>> import numpy as np
    >>> dataset = from_arrays(np.eye(3), ["red", "green", "blue"])
    >>> dataset.train.features.shape, dataset.classes.tolist(), dataset.train.targets.tolist()
    ((3, 3), ['blue', 'green', 'red'], [2, 1, 0])
    """
    if not math.isfinite(scale) or scale == 0:
        raise DataError(f"scale = {scale!r} has to be a finite number other than 0.")
    names, target_names = column_names(x, "x"), column_names(y, "y") if values else None
    features, image_shape = _features(x, "x", names)
    read = _targets(y, features.shape[0], "x, y", target_names, values=values)
    classes, targets = (_NO_CLASSES, _values(read, "y")) if values else class_indices(read, "y")
    given = _codes(codes, len(targets), "codes")
    dataset = Dataset(
        name="arrays",
        train=Part(features, targets, codes=given),
        validation=None,
        test=None,
        classes=classes,
        preprocessing=Preprocessing(scale=scale),
        image_shape=image_shape,
        feature_names=names,
        hashes={},
        target_names=target_names or tuple(f"y{column}" for column in range(1, targets.shape[1] + 1)) if values else (),
        code_counts=count_codes(given),
    )
    parts = [_part(validation, dataset, target_names, "validation"), _part(test, dataset, target_names, "test")]
    return replace(dataset, validation=parts[0], test=parts[1])


def host_array(array: Any, what: str) -> npt.NDArray[Any]:
    """Convert an array in host memory, of any library, to NumPy, sharing the memory where the library can.

    Raises
    ------
    DataError
        If it is on an accelerator, has a type unknown to NumPy, or hides some of its values behind a mask.
    """
    if np.ma.is_masked(array):
        raise DataError(f"{what} has masked values: fill them in, or drop their rows.")
    if is_torch_array(array):
        array = array.detach()
    residence = residence_of(array)
    if residence.device != HOST.device:
        raise DataError(f"{what} is an array of {residence}; this needs one in the host's memory: move it there.")
    try:
        return np.from_dlpack(array)
    except (AttributeError, BufferError, RuntimeError, TypeError):
        pass  # not an array, or not shareable: strings, another byte order
    try:
        converted = np.asarray(array)
    except (RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"{what} cannot become an array of NumPy's ({error}): convert it first.") from error
    if converted.dtype.kind == "O" and not converted.ndim:  # NumPy has wrapped an unknown object
        advice = "call its toarray()" if hasattr(array, "toarray") else "make an array or a data frame of it"
        raise DataError(f"{what} is of type {type(array).__name__} and not an array: {advice}.")
    return converted


def _part(
    examples: GivenExamples | None, dataset: Dataset, target_names: tuple[str, ...] | None, name: str
) -> Part | None:
    """Make a validation or test part, with the columns and the classes of the training part."""
    if examples is None:
        return None
    if len(examples) not in (2, 3):
        raise DataError(f"{name} has {len(examples)} arrays; it needs (x, y) or (x, y, codes).")
    x, y, *rest = examples
    features, _ = _features(x, f"{name} x", dataset.feature_names)
    codes = _codes(rest[0] if rest else None, features.shape[0], f"{name} codes")
    if (0 if codes is None else codes.shape[1]) != len(dataset.code_counts):
        raise DataError(f"{name} needs codes of {len(dataset.code_counts)} columns, as the training part has them.")
    if features.shape[1] != dataset.n_features:
        raise DataError(
            f"{name} x has {features.shape[1]} features per example, but the training part has {dataset.n_features}."
        )
    labels = _targets(y, features.shape[0], f"{name} x, y", target_names, values=not dataset.n_classes)
    if not dataset.n_classes:
        values = _values(labels, f"{name} y")
        if values.shape[1] != dataset.train.targets.shape[1]:
            raise DataError(f"{name} y has {values.shape[1]} columns, but the training part has another number.")
        return Part(features, values, codes=codes)
    labels = as_labels(labels, f"{name} y")
    if "U" in {labels.dtype.kind} ^ {dataset.classes.dtype.kind}:  # NumPy would sort the numbers as text
        raise DataError(
            f"{name} y has labels of type {labels.dtype}, but the training part's are of type {dataset.classes.dtype}: "
            "give both in the same type."
        )
    classes, targets = class_indices(np.concatenate([labels, dataset.classes]), f"{name} y")
    unknown = np.setdiff1d(classes, dataset.classes)
    if len(unknown):
        raise DataError(f"{name} y has the label {unknown[0].item()!r}, which no training example has.")
    return Part(features, targets[: len(labels)], codes=codes)


def _codes(codes: Any, n: int, what: str) -> npt.NDArray[Any] | None:
    return None if codes is None else check_codes(host_array(codes, what), n, what)


def _features(x: Any, what: str, names: tuple[str, ...] | None) -> tuple[Array, tuple[int, int] | None]:
    """Check features where they are; return them as (n, n_features) (``names`` of a table), and the shape of images."""
    on_host = residence_of(x).device == HOST.device
    features: Array = host_features(x, names, what) if on_host else x
    if features.ndim not in (2, 3, 4):
        raise DataError(
            f"{what} has the shape {tuple(features.shape)}; it needs (n, n_features) or (n, height, width)."
        )
    image_shape = None if features.ndim == 2 else image_shape_of(features.shape, what)
    if image_shape is not None:
        features = array_namespace(features).reshape(features, (features.shape[0], math.prod(image_shape)))
    return check_features(features, what) if on_host else _checked_in_place(features, what), image_shape


def host_features(x: Any, names: tuple[str, ...] | None, what: str) -> npt.NDArray[Any]:
    """Convert features of any library and shape in host memory to NumPy; from a table, the columns ``names``.

    Raises
    ------
    DataError
        As `host_array`, or if a column of a table is missing or is not numeric.
    """
    features = host_array(matched_columns(x, names, what), what)
    if features.dtype.kind != "O" or features.ndim not in (1, 2) or not features.size:
        return features
    columns = features.reshape(len(features), -1).T
    numbers = [column_as_numbers(column, what, str(place)) for place, column in enumerate(columns, start=1)]
    return np.stack(numbers, axis=1).reshape(features.shape)


def _checked_in_place(features: Array, what: str) -> Array:
    """Check features on an accelerator by the rules of `check_features`; booleans become uint8."""
    xp = array_namespace(features)
    if 0 in features.shape:
        raise DataError(f"{what}: has the shape {tuple(features.shape)}; there has to be an example and a feature.")
    if xp.isdtype(features.dtype, "bool"):
        return xp.astype(features, xp.uint8)
    if not xp.isdtype(features.dtype, ("integral", "real floating")):
        raise DataError(f"{what}: features of type {features.dtype} are not numbers")
    if xp.isdtype(features.dtype, "real floating") and not _all_finite(features):
        raise DataError(f"{what}: has a value that is missing (NaN) or infinite; fill it in or drop the row")
    return features


def _all_finite(features: Array) -> bool:
    xp, home = array_namespace(features), _home(features)
    with home.settings():
        return bool(home.to_numpy(xp.all(xp.isfinite(features))))


def _targets(y: Any, n: int, what: str, names: tuple[str, ...] | None, *, values: bool) -> npt.NDArray[Any]:
    """Return labels (n,), or values of one or two axes, on the host; from a table of values the columns ``names``."""
    if residence_of(y).device != HOST.device:
        y = _home(y).to_numpy(y)
    targets = host_features(y, names, "y") if values else _labels(y)
    if targets.ndim not in ((1, 2) if values else (1,)):
        needed = "(n,) or (n, n_targets)" if values else "(n,), one label for each example"
        raise DataError(f"{what}: y has the shape {targets.shape}; it needs {needed}.")
    if len(targets) != n:
        raise DataError(f"{what}: have {n} and {len(targets)} examples; each example needs a target.")
    return targets


def _labels(y: Any) -> npt.NDArray[Any]:
    """Return labels of any kind as (n,); one-hot labels become the names of their columns, or the column numbers."""
    names = column_names(y, "y")
    if names is not None and len(names) == 1:
        y, names = column_at(y, 0), None
    labels = host_array(matched_columns(y, names, "y"), "y")
    if labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else class_labels(labels, names)
    return labels_of_objects(labels.tolist(), "y") if labels.dtype.kind in "OT" and labels.ndim == 1 else labels


def _values(targets: npt.NDArray[Any], what: str) -> npt.NDArray[np.float64]:
    """Check target values and return them as (n, n_targets)."""
    if targets.dtype.kind not in "biuf":
        raise DataError(f"{what}: targets of type {targets.dtype} are not values; leave out values=True for labels.")
    columns = targets.reshape(len(targets), math.prod(targets.shape[1:])).astype(np.float64)
    if not columns.shape[1]:
        raise DataError(f"{what}: has no columns of targets.")
    check_finite(columns, what, None)
    return columns


def _home(array: Array) -> Backend:
    return resolve(*residence_of(array)).backend
