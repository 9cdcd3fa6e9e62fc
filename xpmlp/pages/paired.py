"""Tests of networks, in pairs, on the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xpmlp.pages.material import Floats
from xpmlp.pages.measures import AT_ONCE, Measure, resampled

FLIPS = 4_999
"""Number of random draws of the signs of the differences."""

LEVEL = 0.05
"""Significance level: networks differ if the adjusted p-value is below it."""


class Paired(NamedTuple):
    """Difference of a figure between two networks.

    Attributes
    ----------
    difference, low, high : float
        The difference and the ends of its 95% interval, from resamples of the examples.
    p : float
        Probability of a difference at least as large between equal networks, adjusted for the number of comparisons.
    better : bool
        Whether the difference is an improvement.
    """

    difference: float
    low: float
    high: float
    p: float
    better: bool

    @property
    def verdict(self) -> str:
        """The result in words."""
        return "not told apart" if self.p >= LEVEL else "better" if self.better else "worse"


def paired(first: Measure, others: Sequence[Measure], weights: Floats) -> list[Paired]:
    """Compare a figure of several networks with that of the first one, on the same examples.

    Parameters
    ----------
    first, others : Measure
        The same figure, with values of the same examples in the same order.
    weights : (n,)
    """
    values = np.stack([one.values for one in (first, *others)], axis=1)
    means = first.figure(np.average(values, axis=0, weights=weights))
    drawn = first.figure(resampled(values, weights))
    lows, highs = np.quantile(drawn[:, 1:] - drawn[:, :1], [0.025, 0.975], axis=0)
    chances = holm(sign_flips(values[:, 1:] - values[:, :1], weights))
    return [
        Paired(float(mean - means[0]), float(low), float(high), float(p), bool((mean > means[0]) == first.higher))
        for mean, low, high, p in zip(means[1:], lows, highs, chances, strict=True)
    ]


def sign_flips(differences: Floats, weights: Floats) -> Floats:
    """Test whether means of paired differences are 0: Fisher's permutation test (The Design of Experiments, 1935).

    Between equal networks the sign of each difference is random; so signs are drawn `FLIPS` times.  For right and wrong
    answers this is McNemar's test.

    Parameters
    ----------
    differences : (n, k)
    weights : (n,)

    Returns
    -------
    p : (k,)
        Two-sided, at least ``1 / (FLIPS + 1)``.
    """
    generator, weighted = np.random.default_rng(1), differences * weights[:, None]
    whole, n = weighted.sum(axis=0), len(weighted)
    reached, block = np.ones(weighted.shape[1]), max(AT_ONCE // n, 1)
    for begin in range(0, FLIPS, block):
        size = min(block, FLIPS - begin)
        packed = np.frombuffer(generator.bytes(size * -(-n // 8)), dtype=np.uint8).reshape(size, -1)
        kept = np.unpackbits(packed, axis=1, count=n).astype(np.float64)
        sums = 2 * (kept @ weighted) - whole
        reached += (np.abs(sums) >= np.abs(whole) * (1 - 1e-9)).sum(axis=0)
    return reached / (FLIPS + 1)


def holm(chances: Floats) -> Floats:
    """Adjust p-values (k,) for their number (Holm, 1979)."""
    order = np.argsort(chances, kind="stable")
    raised = np.maximum.accumulate(chances[order] * np.arange(len(chances), 0, -1))
    adjusted = np.empty(len(chances))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted
