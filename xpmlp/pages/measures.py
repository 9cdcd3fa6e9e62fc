"""Figures of a network's predictions by example, and confidence intervals of their means."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xpmlp.nn import metric_names
from xpmlp.pages.material import OPS, Floats, Material, Rows

RESAMPLES = 500
"""Number of resamples of the rows for the intervals."""

AT_ONCE = 2_000_000
"""Maximum size of a block of resamples, in numbers, unless a single one is larger."""


class Measure(NamedTuple):
    """Figure computed as a mean over examples.

    Attributes
    ----------
    name : str
    values : (n,) float64
        Value of each example.
    higher : bool
        Whether higher is better.
    root : bool
        Whether the figure is the square root of the mean.
    """

    name: str
    values: Floats
    higher: bool = False
    root: bool = False

    def figure(self, means: Floats) -> Floats:
        """Convert means of the values to the figure."""
        return np.sqrt(means) if self.root else means


def measures(material: Material, rows: Rows) -> list[Measure]:
    """Return the figures of a run: accuracy and log-loss; or R², root mean square error and mean absolute error."""
    loss = material.saved.network.loss
    found = [Measure(metric_names[loss.metric], rows.scores, higher=True)]
    if material.classes or loss.out_activation == "logistic":
        found.append(Measure("log-loss", rows.losses))
    elif loss.targets == "values":
        errors = np.subtract(*values_of(material, rows))
        found.append(Measure("root mean square error", (errors**2).mean(axis=1), root=True))
        found.append(Measure("mean absolute error", np.abs(errors).mean(axis=1)))
    return found


def values_of(material: Material, rows: Rows) -> tuple[Floats, Floats]:
    """Return predicted and true values, (n, n_targets) each, in the units of the data."""
    wanted = np.asarray(rows.part.targets, dtype=np.float64).reshape(len(rows.part), -1)
    decided = material.saved.network.loss.decide_prediction(OPS, rows.outputs)
    return material.unscaled(decided), material.unscaled(wanted)


def figure_text(value: float, sign: str = "") -> str:
    """Format a figure for display: four digits, or all digits before the point."""
    return f"{value:{sign},.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:{sign}.4g}"


def resampled(values: Floats, weights: Floats) -> Floats:
    """Compute bootstrap means: weighted means of n examples drawn with replacement (Efron, 1979).

    Parameters
    ----------
    values : (n, k)
    weights : (n,)

    Returns
    -------
    means : (RESAMPLES, k)
        From the same draws for all columns.
    """
    generator, n = np.random.default_rng(0), len(values)
    means = np.empty((RESAMPLES, values.shape[1]))
    block = max(AT_ONCE // n, 1)
    for begin in range(0, RESAMPLES, block):
        rows = range(begin, min(begin + block, RESAMPLES))
        counts = np.stack([np.bincount(generator.integers(0, n, n), minlength=n) for _ in rows]) * weights
        totals = counts.sum(axis=1, keepdims=True)
        means[rows.start : rows.stop] = counts @ values / np.where(totals > 0, totals, 1.0)
    return means


def intervals(found: list[Measure], weights: Floats) -> list[tuple[float, float, float]]:
    """Return each figure and the ends of its 95% bootstrap interval."""
    values = np.stack([one.values for one in found], axis=1)
    drawn, means = resampled(values, weights), np.average(values, axis=0, weights=weights)
    told = []
    for place, one in enumerate(found):
        low, high = np.quantile(one.figure(drawn[:, place]), [0.025, 0.975])
        told.append((float(one.figure(means[place])), float(low), float(high)))
    return told
