"""Tables of examples without parts of their own: encoding of the labels, and the split by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpmlp.data.codes import count_codes
from xpmlp.data.dataset import Dataset, Part, Preprocessing
from xpmlp.data.messages import listed
from xpmlp.data.splits import Split, split_parts
from xpmlp.errors import DataError

TargetKind = Literal["auto", "classes", "values", "flags"]


@dataclass(frozen=True)
class Table:
    """Features and labels as read from a file.

    Attributes
    ----------
    name : str
        The name of the source in messages.
    features : (n, n_features)
    labels : (n,), or (n, n_targets)
        Of any of NumPy's boolean, integer, real or string types.
    image_shape : (height, width) or None
    feature_names : tuple of str, or None
    hashes : dict
    target_names : tuple of str
        The names of the labels' columns.
    class_names : tuple of str, or None
        The file's own names of the labels' columns.
    keeps_reals : bool
        Whether labels such as 1.0 stay reals, as they are spelled in a text file; else they become int64.
    standardize : bool
        Whether to standardise the features by default.
    scale : float
        The factor applied to the features where they are not standardised.
    codes : (n, columns), optional
        See `Part`.
    """

    name: str
    features: NDArray[Any]
    labels: NDArray[Any]
    image_shape: tuple[int, int] | None = None
    feature_names: tuple[str, ...] | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    target_names: tuple[str, ...] = ("target",)
    class_names: tuple[str, ...] | None = None
    keeps_reals: bool = False
    standardize: bool = True
    scale: float = 1.0
    codes: NDArray[Any] | None = None


def split_table(
    table: Table,
    *,
    name: str,
    split: Split,
    test_fraction: float,
    validation_size: int | None,
    seed: int,
    standardize: bool | None,
    targets: TargetKind = "auto",
    fewest_classes: int = 2,
) -> Dataset:
    """Split a table into a data set by ``seed``, stratified by class, and standardise it by the training part.

    Parameters
    ----------
    standardize : bool or None
        Whether to standardise, by default as the table asks; if not, the features keep their stored type and are
        scaled on the device.
    targets : "auto", "classes", "values" or "flags"
        The kind of labels.  By default values where they have fractions or several columns, else classes; several
        columns with a single 1 in each row are classes, too, except with "flags".
    fewest_classes : int
        The least number of classes: two for training.

    Raises
    ------
    DataError
        If the labels are not of the kind required, or the classes have too few examples for the split.
    """
    classes: NDArray[Any] | None
    encoded: NDArray[Any]
    if targets in ("auto", "classes"):
        table = replace(table, labels=class_labels(table.labels, table.class_names))
    if targets == "values" or (targets != "classes" and _are_values(table.labels)):
        classes, encoded = None, target_values(table)
    else:
        classes, encoded = class_indices(table.labels, table.name, keep_reals=table.keeps_reals, fewest=fewest_classes)
    train, validation, test = split_parts(
        Part(table.features, encoded, codes=table.codes),
        classes,
        split=split,
        test_fraction=test_fraction,
        validation_size=validation_size,
        seed=seed,
    )
    dataset = Dataset(
        name=name,
        train=train,
        validation=validation,
        test=test,
        classes=np.empty(0, dtype=np.int64) if classes is None else classes,
        preprocessing=Preprocessing(scale=table.scale),
        image_shape=table.image_shape,
        feature_names=table.feature_names,
        hashes=table.hashes,
        target_names=table.target_names if classes is None else (),
        code_counts=count_codes(train.codes),
    )
    return standardized(dataset) if (table.standardize if standardize is None else standardize) else dataset


def checked_table(table: Any, name: str) -> Table:
    """Check a table as a format from outside the package has read it.

    Raises
    ------
    DataError
        If it is no table, its features are not fit to be network input, or it has not as many labels.
    """
    if not isinstance(table, Table):
        raise DataError(f"{name}: its `read` returned a {type(table).__name__}; it has to be a Table or a Dataset")
    features, labels = np.asarray(table.features), np.asarray(table.labels)
    if features.ndim != 2 or labels.ndim not in (1, 2) or len(labels) != len(features) or 0 in labels.shape[1:]:
        raise DataError(
            f"{table.name}: the features have the shape {features.shape} and the labels {labels.shape}; they have to "
            "be (n, n_features) and (n,) or (n, n_targets)"
        )
    return replace(table, features=check_features(features, table.name, table.feature_names), labels=labels)


def standardized(dataset: Dataset) -> Dataset:
    """Standardise every part of a data set by the training part's means and standard deviations."""
    preprocessing = Preprocessing.fit(dataset.train.features)
    changed = dataset.mapped(lambda part: replace(part, features=preprocessing.apply(part.features)))
    return replace(changed, preprocessing=preprocessing)


def target_values(table: Table) -> NDArray[np.float64]:
    """Convert a table's labels to values, (n, n_targets).

    Raises
    ------
    DataError
        If they are not numbers, or one is missing or not finite.
    """
    labels, names = table.labels, table.target_names
    if labels.dtype.kind not in "biuf":
        raise DataError(
            f"{table.name}: the target {listed(names)} has labels, not numbers; to predict labels, set "
            'model.loss = "cross_entropy"'
        )
    values = labels.reshape(len(labels), -1).astype(np.float64)
    check_finite(values, table.name, names)
    return values


def _are_values(labels: NDArray[Any]) -> bool:
    """Whether labels have several columns or include a fraction."""
    if labels.ndim == 2:
        return True
    return labels.dtype.kind == "f" and bool((np.isfinite(labels) & (labels != np.trunc(labels))).any())


def class_labels(labels: NDArray[Any], names: Sequence[str] | None) -> NDArray[Any]:
    """Convert one-hot columns (n, n_classes) to labels (n,); other labels are returned unchanged.

    Parameters
    ----------
    names : sequence of str, or None
        The columns' names, used as labels; without them the columns are numbered from 0.
    """
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "biuf":
        return labels
    ones = labels == 1
    if not (ones | (labels == 0)).all() or not (ones.sum(axis=1) == 1).all():
        return labels
    numbers: NDArray[np.int64] = ones.argmax(axis=1)
    return numbers if names is None else np.asarray(names)[numbers]


def class_indices(
    labels: NDArray[Any], source: str, *, keep_reals: bool = False, fewest: int = 2
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the sorted distinct labels, and the index of each example's label.

    Whole numbers stored as reals (as in a column that once had a missing value) become int64, or stay float64 with
    ``keep_reals``.

    Raises
    ------
    DataError
        If a label is missing or a fraction, there are fewer classes than ``fewest``, or several columns.
    """
    if labels.ndim != 1:
        raise DataError(f"{source}: has {labels.shape[1]} columns of targets, but classes are told by a single one")
    labels = as_labels(labels, source, keep_reals=keep_reals)
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) < fewest:
        raise DataError(f"{source}: all targets are {classes[0].item()!r}; a classifier needs two classes or more")
    return classes, targets.astype(np.int64)


def as_labels(labels: NDArray[Any], source: str, *, keep_reals: bool = False) -> NDArray[Any]:
    """Convert labels, (n,), to int64, bool or text, or reals to float64 with ``keep_reals``.

    Raises
    ------
    DataError
    """
    kind = labels.dtype.kind
    if kind in "bU":
        return labels
    if kind == "S":
        return np.char.decode(labels, "utf-8", "backslashreplace")  # "replace" would make one label of several
    if kind in "iu":
        if labels.max(initial=0) > np.iinfo(np.int64).max:
            raise DataError(f"{source}: the target {labels.max()} is too large; labels go up to 2**63 - 1")
        return labels.astype(np.int64)
    if kind == "f":
        broken = ~np.isfinite(labels)
        if broken.any():
            raise DataError(f"{source}: the target of row {broken.argmax() + 1} is missing or not finite")
        fraction = labels != np.trunc(labels)
        if fraction.any():
            raise DataError(
                f"{source}: the target of row {fraction.argmax() + 1} is {labels[fraction][0]:g}; classes are "
                'whole numbers or names; to predict a quantity, set model.loss = "squared"'
            )
        if int(np.abs(labels).max()) > 2**53:  # a number of Python: float16 does not hold the bound
            raise DataError(f"{source}: the targets are reals too large to be told apart; store them as integers")
        return labels.astype(np.float64 if keep_reals else np.int64)
    raise DataError(f"{source}: targets of type {labels.dtype} cannot be classes; use whole numbers or strings")


def check_features(features: NDArray[Any], source: str, names: tuple[str, ...] | None = None) -> NDArray[Any]:
    """Check that features are fit to be network input, and return them C-contiguous in a plain storage type.

    Parameters
    ----------
    features : (n, n_features)
        Of a boolean, integer or real type; booleans become uint8.
    source : str
        What messages begin with.
    names : tuple of str, or None
        The columns' names, for messages.

    Raises
    ------
    DataError
        If there are no rows or no columns, a value is missing or not finite, or the type is not numeric.
    """
    if features.dtype.kind not in "biuf":
        raise DataError(f"{source}: features of type {features.dtype} are not numbers")
    rows, columns = features.shape
    if rows == 0:
        raise DataError(f"{source}: has no rows")
    if columns == 0:
        raise DataError(f"{source}: has no feature columns")
    if features.dtype.kind == "b":
        return np.ascontiguousarray(features, dtype=np.uint8)
    if features.dtype.kind == "f":
        if features.dtype.itemsize > 8:
            features = features.astype(np.float64)
        check_finite(features, source, names)
    return np.ascontiguousarray(features, dtype=features.dtype.newbyteorder("="))


def check_finite(features: NDArray[Any], source: str, names: tuple[str, ...] | None) -> None:
    """Refuse missing and infinite values; the error names the row (from 1) and the column."""
    for column in range(features.shape[1]):  # one column at a time keeps the temporary small
        broken = ~np.isfinite(features[:, column])
        if broken.any():
            row = int(broken.argmax())
            name = repr(names[column]) if names else str(column + 1)
            value = "missing (NaN)" if np.isnan(features[row, column]) else "infinite"
            raise DataError(f"{source}: row {row + 1}, column {name} is {value}; fill it in or drop the row")
