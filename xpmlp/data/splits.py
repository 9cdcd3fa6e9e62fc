"""Splitting of examples into a training, a validation and a test part."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpmlp._optional import SCIKIT_LEARN
from xpmlp.data.dataset import Part
from xpmlp.errors import DataError

Split = Literal["validation", "test", "three-way"]

DEFAULT_VALIDATION_FRACTION = 0.1


def hold_out_last(part: Part, size: int, name: str) -> tuple[Part, Part]:
    """Split off the last ``size`` examples of ``part``; returns the rest and those examples, both as views.

    Raises
    ------
    DataError
        If nothing would be left to train on.
    """
    if size >= len(part):
        raise DataError(
            f"data.validation_size = {size} leaves nothing to train on: {name} has {len(part)} training examples"
        )
    cut = len(part) - size
    return part[:cut], part[cut:]


def split_parts(
    whole: Part,
    classes: NDArray[Any] | None,
    *,
    split: Split,
    test_fraction: float,
    validation_size: int | None,
    seed: int,
) -> tuple[Part, Part | None, Part | None]:
    """Split one table into parts by ``seed``, stratified by class if there are classes.

    The test part is taken first, so that it does not depend on the validation part.

    Parameters
    ----------
    whole : Part
        All examples, n of them.
    classes : (n_classes,) or None
        The labels, for messages; ``None`` if the targets are values.
    test_fraction : float
        The share of all examples in the test part; 0 for no test part.
    validation_size : int or None
        The number of the remaining examples to validate with; None for a tenth of them.

    Returns
    -------
    train, validation, test : Part, or None for a part that is not asked for

    Raises
    ------
    DataError
        If a class has too few examples for a stratified split, or a part is too small to hold every class.
    """
    rest, test = whole, None
    counts = None if classes is None else np.bincount(whole.targets, minlength=len(classes))
    fewest = 1 if classes is None else len(classes)
    if test_fraction > 0.0:
        size = max(math.ceil(test_fraction * len(whole)), fewest)
        rest, test = _hold_out(whole, classes, counts, size, seed, "test part", "data.test_fraction")
    elif split == "three-way":
        raise DataError(f'data.split = "{split}" needs a test part: set data.test_fraction to more than 0')
    if split == "test":
        return rest, None, test
    if validation_size is None:
        validation_size = max(math.ceil(DEFAULT_VALIDATION_FRACTION * len(rest)), fewest)
    what, option = "validation part", "data.validation_size"
    train, validation = _hold_out(rest, classes, counts, validation_size, seed, what, option)
    return train, validation, test


def _hold_out(
    whole: Part,
    classes: NDArray[Any] | None,
    in_file: NDArray[Any] | None,
    size: int,
    seed: int,
    what: str,
    option: str,
) -> tuple[Part, Part]:
    """Hold ``size`` examples out of ``whole``; ``in_file``, (n_classes,), counts each class in the whole table."""
    stratify = None
    if classes is not None and in_file is not None:
        _check_classes(whole, classes, in_file, size, what, option)
        stratify = whole.targets
    elif size >= len(whole):
        raise DataError(f"{option} gives a {what} of {size} out of {len(whole)} examples and leaves none to train on")
    with SCIKIT_LEARN.needed_by("splitting data"):
        from sklearn.model_selection import train_test_split  # heavy, so imported late

    kept, held_out = train_test_split(
        np.arange(len(whole)), test_size=size, stratify=stratify, random_state=seed % 2**32
    )
    if classes is not None:
        left = np.bincount(whole.targets[kept], minlength=len(classes))
        if not left.all():
            raise DataError(
                f"{option} leaves no example of class {classes[int(left.argmin())].item()!r} to train on; lower it"
            )
    return _take(whole, kept), _take(whole, held_out)


def _check_classes(
    whole: Part, classes: NDArray[Any], in_file: NDArray[Any], size: int, what: str, option: str
) -> None:
    """Refuse a class, or a part, with too few examples for each part to hold every class."""
    counts = np.bincount(whole.targets, minlength=len(classes))
    rarest = int(counts.argmin())
    quantities = '; if the targets are quantities, set model.loss = "squared"' if classes.dtype.kind in "if" else ""
    if counts[rarest] < 2:
        parts = f"both the training part and the {what}"
        if counts[rarest] < in_file[rarest]:  # the others went into the test part
            parts = f"the training part, the {what} and the test part"
        raise DataError(
            f"class {classes[rarest].item()!r} has too few examples ({in_file[rarest]}) to be in {parts}; drop the "
            f"class or add examples of it{quantities}"
        )
    if size < len(classes) or len(whole) - size < len(classes):
        raise DataError(
            f"{option} gives a {what} of {size} out of {len(whole)} examples, but both sides need at least one "
            f"example for each of the {len(classes)} classes{quantities}"
        )


def _take(whole: Part, indices: NDArray[np.intp]) -> Part:
    indices = np.sort(indices)  # the order of the file; batches are shuffled later
    part = whole[indices]
    return replace(part, features=np.ascontiguousarray(part.features))
