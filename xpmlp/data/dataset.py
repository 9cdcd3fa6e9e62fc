"""A data set once it is loaded: its parts, its classes, and how raw features become network input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xpmlp._typing import Array
from xpmlp.errors import DataError

if TYPE_CHECKING:
    from xpmlp.data.tables.loading import TableModel


@dataclass(frozen=True)
class Part:
    """One part of a data set: the examples to train on, to validate with, or to test with.

    Attributes
    ----------
    features : (n, n_features), C-contiguous
        In the type they are stored in; MNIST's are uint8.  Arrays of NumPy's, or of another library on an accelerator
        (see `xpmlp.from_arrays`).
    targets : (n,) int64, or (n, n_targets) float64
        The index of each example's class, from 0 to n_classes - 1; or values.
    weights : (n,), optional
        How much each example counts, at least 0; equally if not given.
    codes : (n, columns), of an integer type, optional
        Of categories: 0 for one never seen in training, 1 for a missing one, the others from 2.
    """

    features: Array
    targets: NDArray[Any]
    weights: NDArray[Any] | None = None
    codes: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, rows: Any) -> Part:
        """Some of the examples, by numbers or a slice; of a slice arrays are views."""
        weights, codes = (None if array is None else array[rows] for array in (self.weights, self.codes))
        return Part(self.features[rows], self.targets[rows], weights, codes)


@dataclass(frozen=True)
class Preprocessing:
    """The way from raw features to network input.  Saved with a run, so that prediction repeats it.

    Attributes
    ----------
    mean, std : (n_features,) float64, or None
        Standardisation on the host, ``(raw - mean) / std``, fitted on the training part only.
    scale : float
        What each batch is multiplied by on the device, after its conversion to the network's type.
    """

    mean: NDArray[np.float64] | None = None
    std: NDArray[np.float64] | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise DataError("a preprocessing needs both a mean and a std, or neither")

    @classmethod
    def fit(cls, train: NDArray[Any]) -> Preprocessing:
        """The standardisation that gives each column of ``train``, (n, n_features), mean 0 and deviation 1.

        A constant column has no deviation to divide by: its ``std`` is 1, so that it becomes zero.
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
        """The host's part: ``raw``, (n, n_features), standardised to float64, or as it is without a mean.

        Raises
        ------
        DataError
            If ``raw`` has not as many columns as the mean.
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
        """A dict of JSON's types that ``from_json`` reads back without loss."""
        return {
            "mean": None if self.mean is None else self.mean.tolist(),
            "std": None if self.std is None else self.std.tolist(),
            "scale": self.scale,
        }

    @classmethod
    def from_json(cls, saved: object) -> Preprocessing:
        """The preprocessing that ``to_json`` saved.

        Raises
        ------
        DataError
            If ``saved`` is not what ``to_json`` writes.
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
    """A data set, split and with its preprocessing's host part already applied to every part.

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
        What one example's features were before they were flattened.
    feature_names : tuple of str, or None
        The columns' names where the source has them.
    hashes : dict
        Name of a file (or array) to the SHA-256 of the content that was read.
    target_names : tuple of str
        The columns' names where the targets are values; else empty.
    code_counts : tuple of int
        The number of codes of each column of categories, by the training part; others are taken for 0.
    folds : (n_train,) int64, optional
        The fold of each training example, from 0, where it is not drawn.
    groups : (n_train,) int64, optional
        The group of each training example, as a person: folds that are drawn leave groups whole.
    table : TableModel, optional
        How its columns became features, codes and targets, where it is a table of any kinds of columns.
    notes : tuple of str
        What a person should be told about it.
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
