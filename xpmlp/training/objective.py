"""The objective that a config and its data describe: the loss, and the weights of the examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp.config import Config
from xpmlp.data import Dataset
from xpmlp.data.labels import label_places
from xpmlp.errors import ConfigError, DataError
from xpmlp.nn import Loss, Network, losses

MANY_CLASSES = 20
"""More classes than this that are whole numbers may be quantities."""

LARGE_TARGET = 1_000.0
"""Values of this size make first gradients so large that usual learning rates diverge."""


def loss_of(config: Config, dataset: Dataset) -> Loss:
    """The loss that ``model.loss`` means for a data set, with the parameters that the config gives it.

    Raises
    ------
    ConfigError
        If a parameter is for another loss.
    DataError
        If the loss is not for such targets.
    """
    name = config.model.loss
    if name == "auto":
        name = "squared" if dataset.target_names else "cross_entropy"
    loss, changed = losses[name], config.model.loss_settings
    if unknown := changed.keys() - dict(loss.settings).keys():
        raise ConfigError(f"model.{min(unknown)} is not for these targets, whose loss is {name}: leave it out.")
    if refusal := loss.refusal(_columns(dataset), dataset.n_classes):
        raise DataError(f'model.loss = "{name}" is for {refusal}.')
    return loss.with_settings(changed)


def notes_on_targets(config: Config, dataset: Dataset) -> Iterator[str]:
    """Say in a sentence what is likely not meant: quantities taken for classes, values far too large to be learnt."""
    if config.model.loss == "auto" and dataset.classes.dtype.kind in "if" and dataset.n_classes > MANY_CLASSES:
        yield (
            f"the target's {dataset.n_classes} whole numbers are taken for classes; if they are quantities, set "
            'model.loss = "squared"'
        )
    if large := large_targets(dataset):
        yield f"{large}, or training may diverge or take long"


def notes_on_codes(network: Network) -> Iterator[str]:
    """Say that the codes of the data make no difference to a network."""
    if network.widths.codes and not network.takes_codes:
        yield (
            "the data have codes of categories, and the network has no layer that takes them: give model.layers one of "
            'kind "categories", "embedding" or "one_hot"'
        )


def large_targets(dataset: Dataset) -> str | None:
    """The advice to scale targets that are values far from the outputs of a fresh network, which are near zero."""
    largest = np.abs(dataset.train.targets).max() if dataset.target_names else 0.0
    if largest < LARGE_TARGET:
        return None
    return f"the targets reach {largest:.3g}: divide them by a constant, so that they are near 1"


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


def _columns(dataset: Dataset) -> list[tuple[str, npt.NDArray[Any]]]:
    """The names and values of the columns of targets, over all parts."""
    parts = [part.targets for part in (dataset.train, dataset.validation, dataset.test) if part is not None]
    return [
        (name, np.concatenate([targets[:, column] for targets in parts]))
        for column, name in enumerate(dataset.target_names)
    ]
