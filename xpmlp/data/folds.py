"""Folds: parts of the training examples that members of a vote leave out in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def fold_numbers(targets: NDArray[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """Spread examples over folds of equal sizes, and those of each class, too.

    Parameters
    ----------
    targets : (n,) or (n, n_targets)
        Indices of classes, or values, which are spread at random.
    folds : int
    seed : int

    Returns
    -------
    numbers : (n,)
        From 0 to ``folds - 1``.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, folds])))
    shuffled = rng.permutation(len(targets))
    if targets.ndim == 1:  # class after class, at random within each
        shuffled = shuffled[np.argsort(targets[shuffled], kind="stable")]
    numbers = np.empty(len(targets), np.int64)
    numbers[shuffled] = np.arange(len(targets)) % folds
    return numbers
