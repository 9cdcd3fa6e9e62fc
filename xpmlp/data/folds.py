"""Folds: parts of the training examples that members of a vote leave out in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def fold_numbers(
    targets: NDArray[Any], folds: int, seed: int, groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Assign examples to folds of equal size, stratified by class; groups stay whole.

    Parameters
    ----------
    targets : (n,) or (n, n_targets)
        Class indices; or values, which are assigned at random.
    folds : int
    seed : int
    groups : (n,), optional
        The examples of a group share a fold; the folds are then about equal in size and not stratified.  Ignored if
        there are fewer groups than folds.

    Returns
    -------
    numbers : (n,)
        From 0 to ``folds - 1``.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, folds])))
    if groups is not None and len(np.unique(groups)) >= folds:
        return _of_groups(groups, folds, rng)
    shuffled = rng.permutation(len(targets))
    if targets.ndim == 1:  # class after class, at random within each
        shuffled = shuffled[np.argsort(targets[shuffled], kind="stable")]
    numbers = np.empty(len(targets), np.int64)
    numbers[shuffled] = np.arange(len(targets)) % folds
    return numbers


def _of_groups(groups: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Assign groups, the largest first and ties at random, each to the fold with the fewest examples."""
    distinct, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(distinct))
    order = order[np.argsort(-counts[order], kind="stable")]
    sizes, chosen = np.zeros(folds, np.int64), np.empty(len(distinct), np.int64)
    for group in order:
        chosen[group] = sizes.argmin()
        sizes[chosen[group]] += counts[group]
    numbers: NDArray[np.int64] = chosen[places]
    return numbers
