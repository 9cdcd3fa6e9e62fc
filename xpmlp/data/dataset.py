"""A loaded data set: its parts, its classes, and the preprocessing of raw features into network input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xpmlp._typing import Array
from xpmlp.errors import DataError

if TYPE_CHECKING:
    from xpmlp.data.tables.loading import TableModel


@dataclass(frozen=True)
class Part:
    """One part of a data set: the training, validation or test examples.

    Attributes
    ----------
    features : (n, n_features), C-contiguous
        In their stored type; MNIST's are uint8.  NumPy arrays, or another library's on an accelerator (see
        `xpmlp.from_arrays`).
    targets : (n,) int64, or (n, n_targets) float64
        The index of each example's class, from 0 to n_classes - 1; or values.
    weights : (n,), optional
        The weight of each example, at least 0; equal if not given.
    codes : (n, columns), of an integer type, optional
        Category codes: 0 for a category never seen in training, 1 for a missing one, the others from 2.
    """

    features: Array
    targets: NDArray[Any]
    weights: NDArray[Any] | None = None
    codes: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, rows: Any) -> Part:
        """Select examples by index or slice; the arrays of a slice are views."""
        weights, codes = (None if array is None else array[rows] for array in (self.weights, self.codes))
        return Part(self.features[rows], self.targets[rows], weights, codes)


@dataclass(frozen=True)
class Preprocessing:
    """Conversion of raw features to network input, saved with a run so that prediction repeats it.

    Attributes
    ----------
    mean, std : (n_features,) float64, or None
        Standardisation on the host, ``(raw - mean) / std``, fitted on the training part only.
    scale : float
        The factor applied to each batch on the device, after its conversion to the network's type.
    """

    mean: NDArray[np.float64] | None = None
    std: NDArray[np.float64] | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise DataError("a preprocessing needs both a mean and a std, or neither")

    @classmethod
    def fit(cls, train: NDArray[Any]) -> Preprocessing:
        """Fit the standardisation of the columns of ``train``, (n, n_features), to mean 0 and standard deviation 1.

        A constant column would be divided by zero: its ``std`` is set to 1, so that the column becomes zero.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # looked for below
            mean = train.mean(axis=0, dtype=np.float64)
            std = train.std(axis=0, dtype=np.float64)
        constant = (train == train[:1]).all(axis=0)  # rounding may leave a constant column a std just above 0
        mean[constant] = train[0, constant]
        std[constant | (std == 0.0)] = 1.0
        if not (np.isfinite(mean).all() and np.isfinite(std).all()):
            raise DataError("a feature column has values too large to standardise; rescale it first")
        return cls(mean=mean, std=std)

    def apply(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Standardise ``raw``, (n, n_features), to float64 on the host, or return it unchanged if there is no mean.

        Raises
        ------
        DataError
            If the number of columns differs from the mean's.
        """
        if self.mean is None or self.std is None:
            return raw
        if raw.ndim != 2 or raw.shape[1] != self.mean.size:
            raise DataError(f"features have shape {raw.shape}, but the model needs (n, {self.mean.size})")
        standardized = raw.astype(np.float64)
        standardized -= self.mean
        standardized /= self.std
        return standardized

    def to_json(self) -> dict[str, Any]:
        """Convert to a dict of JSON types, which ``from_json`` reads back without loss."""
        return {
            "mean": None if self.mean is None else self.mean.tolist(),
            "std": None if self.std is None else self.std.tolist(),
            "scale": self.scale,
        }

    @classmethod
    def from_json(cls, saved: object) -> Preprocessing:
        """Restore a preprocessing saved by ``to_json``.

        Raises
        ------
        DataError
            If ``saved`` is not in the form written by ``to_json``.
        """
        if not isinstance(saved, dict) or set(saved) != {"mean", "std", "scale"}:
            raise DataError("a saved preprocessing needs exactly the keys 'mean', 'std' and 'scale'")
        mean, std = (_vector(saved[key], key) for key in ("mean", "std"))
        scale = saved["scale"]
        if not _is_number(scale) or not math.isfinite(scale):
            raise DataError(f"a saved preprocessing has the scale {scale!r}; it must be a finite number")
        if mean is not None and std is not None:
            if mean.size != std.size:
                raise DataError(f"a saved preprocessing has {mean.size} means but {std.size} deviations")
            if not (std > 0.0).all():
                raise DataError("a saved preprocessing has a 'std' that is not positive")
        return cls(mean=mean, std=std, scale=float(scale))


@dataclass(frozen=True)
class Dataset:
    """A data set, split into parts, with the host's preprocessing already applied to each.

    Attributes
    ----------
    name : str
    train : Part
    validation, test : Part or None
    classes : (n_classes,)
        The label of each class index: int64, bool, str, or float64 of whole numbers.  Empty where the targets are
        values.
    preprocessing : Preprocessing
    image_shape : (height, width) or None
        The shape of one example's features before they were flattened.
    feature_names : tuple of str, or None
        The columns' names where the source has them.
    hashes : dict
        The SHA-256 of each file's (or array's) content, by name.
    target_names : tuple of str
        The columns' names where the targets are values; else empty.
    code_counts : tuple of int
        The number of codes in each categorical column of the training part; higher codes are taken for 0.
    folds : (n_train,) int64, optional
        The fold of each training example, from 0, where folds are given rather than drawn.
    groups : (n_train,) int64, optional
        The group of each training example (one person, say): drawn folds leave groups whole.
    table : TableModel, optional
        The fitted conversion of the columns to features, codes and targets, where the data set is a table.
    notes : tuple of str
        Remarks for the user.
    """

    name: str
    train: Part
    validation: Part | None
    test: Part | None
    classes: NDArray[Any]
    preprocessing: Preprocessing
    image_shape: tuple[int, int] | None
    feature_names: tuple[str, ...] | None
    hashes: dict[str, str]
    target_names: tuple[str, ...] = ()
    code_counts: tuple[int, ...] = ()
    folds: NDArray[np.int64] | None = None
    groups: NDArray[np.int64] | None = None
    table: TableModel | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_features(self) -> int:
        """The width of the network's input."""
        return int(self.train.features.shape[1])

    @property
    def n_classes(self) -> int:
        """The number of classes; 0 if the targets are values."""
        return len(self.classes)

    def mapped(self, change: Callable[[Part], Part]) -> Dataset:
        """Change each part, the training part first."""
        parts = {name: getattr(self, name) for name in ("train", "validation", "test")}
        changed: dict[str, Any] = {name: change(part) for name, part in parts.items() if part is not None}
        return replace(self, **changed)


def _vector(saved: object, key: str) -> NDArray[np.float64] | None:
    if saved is None:
        return None
    if not isinstance(saved, Sequence) or isinstance(saved, str) or not all(map(_is_number, saved)):
        raise DataError(f"a saved preprocessing has a {key!r} that is not a list of numbers")
    vector = np.asarray(saved, dtype=np.float64)
    if not np.isfinite(vector).all():
        raise DataError(f"a saved preprocessing has a {key!r} with a value that is not finite")
    return vector


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
