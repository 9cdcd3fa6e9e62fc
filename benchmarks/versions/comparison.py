"""Comparison of two trainings' numbers, bit by bit and with the tolerances of `xpmlp.verify`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.contestants.version import Numbers
from xpmlp.backend import DTypeName
from xpmlp.verify.quantities import Quantity, relative_difference
from xpmlp.verify.tolerances import tolerance


class Comparison(NamedTuple):
    """Differences between the numbers of two trainings.

    Attributes
    ----------
    same_bits : bool
        Whether all losses and weights have the same bits.
    first : int or None
        The first step with other bits of the loss, from 1.
    losses, weights : float
        The largest relative differences, over the steps and over the arrays; infinite where shapes differ.
    excess : float
        The largest difference as a fraction of its step's tolerance: over 1, or NaN, is too much.
    """

    same_bits: bool
    first: int | None
    losses: float
    weights: float
    excess: float


def compare(old: Numbers, new: Numbers, dtype: DTypeName, optimizer: str) -> Comparison:
    """Compare the numbers of two versions.

    Parameters
    ----------
    old, new : Numbers
    dtype : "float32" or "float64"
        The dtype of the computation.
    optimizer : str

    Returns
    -------
    comparison : Comparison
    """
    pairs = [(old.losses, new.losses), (old.validation, new.validation)]
    pairs += zip(old.weights, new.weights, strict=False)
    if len(old.weights) != len(new.weights) or any(a.shape != b.shape for a, b in pairs):
        return Comparison(False, None, np.inf, np.inf, np.inf)
    steps = len(old.losses)
    changed = [step for step, pair in enumerate(zip(old.losses, new.losses, strict=True), 1) if not _same_bits(*pair)]
    by_step = [relative_difference(b, a) for a, b in zip(old.losses, new.losses, strict=True)]
    of_validation, *of_weights = [relative_difference(b, a) for a, b in pairs[1:]]
    loss, weights = Quantity("loss"), Quantity("weights")
    parts = [value / tolerance(dtype, optimizer, loss, step) for step, value in enumerate(by_step, 1)]
    parts.append(of_validation / tolerance(dtype, optimizer, loss, steps))
    parts += [value / tolerance(dtype, optimizer, weights, steps) for value in of_weights]
    return Comparison(
        all(_same_bits(*pair) for pair in pairs),
        changed[0] if changed else None,
        float(np.max([*by_step, of_validation])),  # NaN stays
        float(np.max(of_weights)),
        float(np.max(parts)),
    )


def _same_bits(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()
