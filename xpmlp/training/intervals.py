"""Conformal intervals around predicted values, from residuals of examples that the network has not learned from.

An interval is ``prediction -+ quantile * scale(prediction)``.  The scale follows the prediction where that makes the
intervals shorter, else it is constant; the quantile is that of the residuals over their scales, so that the stated
fraction of the examples is covered however good or bad the network and the scale are.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from xpmlp.data.saved import Finite, Frozen, Saved
from xpmlp.errors import DataError
from xpmlp.storage import SavedNetwork

SECTION = "intervals"
"""Section of a saved network with its intervals."""

MAX_SCORES = 1_000
"""Maximum number of quantiles of the scores kept for each output."""

MAX_KNOTS = 10
"""Maximum number of knots of a scale."""

ROWS_OF_KNOT = 100
"""Minimum number of examples for each knot: with too few for two knots the scale is constant."""

PARTS = 5
"""Number of parts of the examples: the scores of each part use a scale fitted on the others."""

TYPICAL = 0.9
"""Coverage at which scales are compared."""

WORTH = 0.98
"""Mean length, relative to constant intervals, below which a changing scale is chosen."""

Vector = npt.NDArray[np.float64]


class Scale(NamedTuple):
    """Scale of residuals: linear between the knots, constant beyond.

    Attributes
    ----------
    knots, sizes : (n_knots,)
        Predictions, in ascending order; the sizes of residuals there, above 0.
    """

    knots: Vector
    sizes: Vector

    def at(self, predictions: Vector) -> Vector:
        """Return the scale at predictions (n,)."""
        return np.interp(predictions, self.knots, self.sizes)


class OutputIntervals(Frozen):
    """The intervals of one output.

    Attributes
    ----------
    knots, sizes : (n_knots,)
        See `Scale`.
    scores : (n_scores,)
        Quantiles of the residuals over their scales, in ascending order, at the levels ``1 / n_scores, ..., 1``.
    """

    knots: Annotated[tuple[Finite, ...], Field(min_length=1, max_length=MAX_KNOTS)]
    sizes: Annotated[tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], Field(max_length=MAX_KNOTS)]
    scores: Annotated[tuple[Finite, ...], Field(min_length=1, max_length=MAX_SCORES)]


class Intervals(Saved):
    """The intervals of a network's outputs.

    Attributes
    ----------
    outputs : tuple of OutputIntervals
    rows : float
        Number of examples that they were fitted on; with weights, the effective number.
    """

    called = "intervals"

    outputs: Annotated[tuple[OutputIntervals, ...], Field(min_length=1, max_length=10_000)]
    rows: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    def around(self, predictions: npt.NDArray[Any], coverage: float) -> tuple[Vector, Vector]:
        """Return the ends (n, n_out) of the intervals around predictions (n, n_out) with this coverage of the targets.

        Raises
        ------
        DataError
            If the coverage is not between 0 and 1, or too high for the number of examples.
        """
        if not (isinstance(coverage, float | np.floating) and 0 < coverage < 1):
            raise DataError(f"the coverage of intervals is {coverage!r}, and has to be between 0 and 1, as 0.9")
        level = coverage * (1 + 1 / self.rows)
        if level > 1:
            raise DataError(
                f"intervals that cover {coverage:g} need {math.ceil(coverage / (1 - coverage)):,} examples to be known "
                f"by, and there were {self.rows:,.0f}: take a smaller coverage"
            )
        predictions = np.asarray(predictions, np.float64)
        half = np.empty_like(predictions)
        for column, one in enumerate(self.outputs):
            place = math.ceil(round(level * len(one.scores), 9)) - 1
            scale = Scale(np.asarray(one.knots), np.asarray(one.sizes))
            half[:, column] = one.scores[place] * scale.at(predictions[:, column])
        return predictions - half, predictions + half


def fit_intervals(predictions: Vector, targets: Vector, weights: Vector | None = None) -> Intervals | None:
    """Fit intervals on examples that the network has not learned from.

    Parameters
    ----------
    predictions : (n, n_out)
        Rows with values that are not finite do not count.
    targets : (n, n_out)
    weights : (n,), optional

    Returns
    -------
    intervals : Intervals or None
        ``None`` without examples.

    References
    ----------
    Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005); Lei, G'Sell, Rinaldo, Tibshirani and
    Wasserman, Distribution-Free Predictive Inference for Regression, JASA 113, 2018, sections 2.2 and 5.2.
    """
    told = np.isfinite(predictions).all(axis=1)
    weights = np.ones(len(predictions)) if weights is None else np.asarray(weights, np.float64)
    told &= weights > 0
    if not told.any():
        return None
    predictions, targets, weights = predictions[told], targets[told], weights[told]
    columns = zip(predictions.T, np.abs(targets - predictions).T, strict=True)
    outputs = tuple(_of_output(column, residuals, weights) for column, residuals in columns)
    return Intervals(outputs=outputs, rows=float(weights.sum() ** 2 / (weights**2).sum()))


def saved_intervals(saved: SavedNetwork) -> Intervals:
    """Return the intervals of a saved network.

    Raises
    ------
    DataError
        If it has none, or they do not fit its outputs.
    """
    found = (saved.sections or {}).get(SECTION)
    if found is None:
        raise DataError(
            "the network has no intervals: they are of values, and of trainings on a table with folds, or with a "
            "validation part"
        )
    intervals = Intervals.from_saved(found)
    alike = all(len(one.knots) == len(one.sizes) for one in intervals.outputs)
    if len(intervals.outputs) != saved.network.root.width or not alike:
        raise DataError("the saved network's intervals are for other outputs than its own")
    return intervals


def _of_output(predictions: Vector, residuals: Vector, weights: Vector) -> OutputIntervals:
    scale, scores = _constant(predictions, residuals, weights)
    knots = min(MAX_KNOTS, len(predictions) // ROWS_OF_KNOT)
    if knots > 1:
        changing, others = _changing(predictions, residuals, weights, knots)
        lengths = [
            _quantiles(some, weights, np.asarray([TYPICAL]))[0] * np.average(one.at(predictions), weights=weights)
            for one, some in ((scale, scores), (changing, others))
        ]
        if lengths[1] < WORTH * lengths[0]:
            scale, scores = changing, others
    levels = np.arange(1, min(MAX_SCORES, len(scores)) + 1) / min(MAX_SCORES, len(scores))
    return OutputIntervals(
        knots=tuple(scale.knots.tolist()),
        sizes=tuple(scale.sizes.tolist()),
        scores=tuple(_quantiles(scores, weights, levels).tolist()),
    )


def _constant(predictions: Vector, residuals: Vector, weights: Vector) -> tuple[Scale, Vector]:
    """Return the constant scale, and the scores for it."""
    size = max(float(np.average(residuals, weights=weights)), np.finfo(np.float64).tiny)
    return Scale(predictions[:1] * 0, np.asarray([size])), residuals / size


def _changing(predictions: Vector, residuals: Vector, weights: Vector, knots: int) -> tuple[Scale, Vector]:
    """Return the scale that follows the prediction, and each example's score for a scale fitted without its part."""
    part = np.empty(len(predictions), np.int64)
    part[np.argsort(predictions, kind="stable")] = np.arange(len(predictions)) % PARTS
    scores = np.empty_like(residuals)
    for number in range(PARTS):
        others, own = part != number, part == number
        scale = _by_prediction(predictions[others], residuals[others], weights[others], knots)
        scores[own] = residuals[own] / scale.at(predictions[own])
    return _by_prediction(predictions, residuals, weights, knots), scores


def _by_prediction(predictions: Vector, residuals: Vector, weights: Vector, knots: int) -> Scale:
    """Fit a scale by the mean residuals of equally large groups of examples, in the order of the predictions."""
    order = np.argsort(predictions, kind="stable")
    least = max(0.05 * float(np.average(residuals, weights=weights)), np.finfo(np.float64).tiny)
    parts = np.array_split(order, knots)
    places = np.asarray([np.average(predictions[part], weights=weights[part]) for part in parts])
    sizes = np.asarray([max(float(np.average(residuals[part], weights=weights[part])), least) for part in parts])
    return Scale(np.maximum.accumulate(places), sizes)


def _quantiles(values: Vector, weights: Vector, levels: Vector) -> Vector:
    """Return the weighted quantiles of the values: the least value whose cumulative weight reaches each level."""
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[order])
    places = np.searchsorted(upto, levels * upto[-1] * (1 - 1e-12))
    quantiles: Vector = values[order][np.minimum(places, len(values) - 1)]
    return quantiles
