"""What a config and its data make the objective: the loss, the width of the output, the weights of the examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp.config import Config
from xpmlp.data import Dataset
from xpmlp.data.labels import label_places
from xpmlp.errors import ConfigError, DataError

MANY_CLASSES = 20
"""More classes than this that are whole numbers may be quantities."""

LARGE_TARGET = 1_000.0
"""Values of this size make first gradients so large that usual learning rates diverge."""


def loss_of(config: Config, dataset: Dataset) -> str:
    """The key of ``nn.losses`` that ``model.loss`` means for a data set.

    Raises
    ------
    DataError
        If the loss is not for such targets.
    """
    loss = config.model.loss
    if loss == "auto":
        return "squared" if dataset.target_names else "cross_entropy"
    if loss == "logistic":
        _check_yes_or_no(dataset)
    elif loss == "poisson":
        for name, values in _columns(dataset):
            if values.min() < 0:
                raise DataError(
                    f'model.loss = "poisson" is for values of at least 0, and {name!r} has {values.min():g}: '
                    'use "squared".'
                )
    return loss


def notes_on_targets(config: Config, dataset: Dataset) -> Iterator[str]:
    """Say in a sentence what is likely not meant: quantities taken for classes, values far too large to be learnt."""
    if config.model.loss == "auto" and dataset.classes.dtype.kind in "if" and dataset.n_classes > MANY_CLASSES:
        yield (
            f"the target's {dataset.n_classes} whole numbers are taken for classes; if they are quantities, set "
            'model.loss = "squared"'
        )
    if large := large_targets(dataset):
        yield f"{large}, or training may diverge or take long"


def large_targets(dataset: Dataset) -> str | None:
    """The advice to scale targets that are values far from the outputs of a fresh network, which are near zero."""
    largest = np.abs(dataset.train.targets).max() if dataset.target_names else 0.0
    if largest < LARGE_TARGET:
        return None
    return f"the targets reach {largest:.3g}: divide them by a constant, so that they are near 1"


def outputs_of(loss: str, dataset: Dataset) -> int:
    """The width of the network's output: a unit for each class or value, or one for two classes with `logistic`."""
    if dataset.target_names:
        return len(dataset.target_names)
    return 1 if loss == "logistic" else dataset.n_classes


def class_weights(config: Config, dataset: Dataset) -> npt.NDArray[np.float64] | None:
    """The weight of each training example by its class, (n,); ``None`` where all count the same.

    "balanced" gives class ``c`` the weight ``n / (n_classes * n_c)``, as scikit-learn does.

    Raises
    ------
    ConfigError
        If ``train.class_weight`` names no class of the data, or the targets are values.
    """
    given = config.train.class_weight
    if given is None:
        return dataset.train.weights
    if dataset.target_names:
        raise ConfigError("train.class_weight is for classes, and the targets are values: leave it out.")
    targets, classes = dataset.train.targets, dataset.classes
    by_class = _balanced(targets, len(classes)) if given == "balanced" else _by_label(given, classes)
    weights: npt.NDArray[np.float64] = by_class[targets]
    return weights


def _balanced(targets: npt.NDArray[Any], n_classes: int) -> npt.NDArray[np.float64]:
    counts = np.bincount(targets, minlength=n_classes)
    return len(targets) / (n_classes * np.maximum(counts, 1))


def _by_label(given: dict[str, float], classes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    labels = [str(label) for label in classes.tolist()]
    weights = np.ones(len(labels))
    named: dict[int, str] = {}
    for (text, weight), place in zip(given.items(), label_places(given, classes), strict=True):
        if place is None:
            raise ConfigError(
                f"train.class_weight has a weight for {text!r}, which is no class of the data; they are "
                f"{', '.join(labels[:10])}{', ...' if len(labels) > 10 else ''}."
            )
        if place in named:
            raise ConfigError(
                f"train.class_weight has two weights for the class {labels[place]}, as {named[place]!r} and {text!r}: "
                "give it one."
            )
        weights[place], named[place] = weight, text
    if not weights.any():
        raise ConfigError("train.class_weight is 0 for every class: give some class a weight.")
    return weights


def _check_yes_or_no(dataset: Dataset) -> None:
    if not dataset.target_names and dataset.n_classes != 2:
        raise DataError(
            f'model.loss = "logistic" is for two classes, and the data have {dataset.n_classes}: use "cross_entropy".'
        )
    for name, values in _columns(dataset):
        other = values[(values != 0) & (values != 1)]
        if other.size:
            raise DataError(
                f'model.loss = "logistic" is for columns of 0 and 1, and {name!r} has {other[0]:g}: use "squared".'
            )


def _columns(dataset: Dataset) -> list[tuple[str, npt.NDArray[Any]]]:
    """The names and values of the columns of targets, over all parts."""
    parts = [part.targets for part in (dataset.train, dataset.validation, dataset.test) if part is not None]
    return [
        (name, np.concatenate([targets[:, column] for targets in parts]))
        for column, name in enumerate(dataset.target_names)
    ]
