"""Target statistics: what the targets of the training rows are at each value of a column, as numbers for a network.

A training row's numbers come from the other folds, so that its own target is not in them (Micci-Barreca 2001; Pargent,
Pfisterer, Thomas and Bischl 2022); those of any other row come from all training rows.  Means of few rows are drawn
towards the mean of all, by as much as their variance tells (empirical Bayes).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, model_validator

from xpmlp.data.folds import fold_numbers
from xpmlp.data.saved import Finite, Frozen
from xpmlp.data.tables.columns import Name

FOLDS = 5
"""Parts of the training rows, of which each gets the statistics of the others."""

MOST_CLASSES = 12
"""Classes with a statistic of their own: the commonest ones."""

MOST_BINS = 4_096
"""Bins of a number, each of a distinct value where there are no more of these, else of equal counts."""

FEWEST_LEVELS = 10
"""A category of fewer levels is one-hot, which tells a network as much."""

LEAVES = 16
"""Of the tree by which bins of a number are smoothed."""

PRIOR = 5
"""Rows of the average text that are added to those of a word, in naive Bayes."""

LEAST_MORE = 0.1
LEAST_TIMES = 1.4
"""The least that the statistic of numbers explains beyond a cubic polynomial, as a share of the targets' variance or in
multiples of what that does: a network finds smooth functions by itself."""

MOST_NUMBERS = 200
"""Numbers that the statistics of single columns are together: those of the columns that tell most."""

MOST_WORDS = 5_000
"""Words of a text column with a statistic: the commonest ones."""

LEAST_GAIN = 0.001
"""The share of the targets' variance that a statistic has to explain, out of fold, to be kept."""

Numbers: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.bool_]


Means: TypeAlias = Annotated[tuple[tuple[Finite, ...], ...], Field(min_length=1, max_length=100_000)]
"""Rows (n_targets,) of numbers, for each place."""


class Statistic(Frozen):
    """A number for each target at each value of a column.

    Attributes
    ----------
    means : tuple of (n_targets,)
        Of a column of categories by its codes; of numbers for a gap, and then by bins; of text by words.
    edges : tuple of float
        Of numbers: the upper edges of all bins but the last.
    words : tuple of str
        Of text.
    """

    means: Means
    edges: tuple[Finite, ...] = Field((), max_length=MOST_BINS)
    words: tuple[Annotated[Name, Field(min_length=1)], ...] = Field((), max_length=MOST_WORDS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        expected = len(self.edges) + 2 if self.edges else len(self.words) or len(self.means)
        if len(self.means) != expected or len(set(map(len, self.means))) != 1:
            raise ValueError("means that do not fit the values they are of")
        return self

    @property
    def width(self) -> int:
        """The number of targets."""
        return len(self.means[0])

    def of_codes(self, codes: npt.NDArray[np.int32]) -> Numbers:
        """Look up codes (n,): (n, n_targets)."""
        return np.asarray(self.means)[codes]

    def of_numbers(self, raw: npt.NDArray[Any]) -> Numbers:
        """Look up raw numbers (n,), of which NaN are gaps: (n, n_targets)."""
        return np.asarray(self.means)[binned(raw, self.edges)]

    def of_words(self, words: pl.Series) -> Numbers:
        """Add up the numbers of the words of each row, a list (n,): (n, n_targets)."""
        return _sums(_occurrences(words, self.words), np.asarray(self.means))


class Found(NamedTuple):
    """A statistic, what it is for the training rows, (n, n_targets), and the share of variance that it explains so."""

    statistic: Statistic
    crossed: npt.NDArray[np.float32]
    gain: float


class TrainingTargets:
    """The targets of a training part as columns of numbers, and the folds of its rows.

    Parameters
    ----------
    targets : (n,) or (n, n_targets)
        Indices of classes, or values.
    groups : (n,), optional
        Whose rows are in one fold.
    """

    def __init__(self, targets: npt.NDArray[np.int64] | Numbers, groups: npt.NDArray[np.int64] | None = None) -> None:
        self.folds = fold_numbers(targets, FOLDS, FOLDS, groups)
        self.classes = targets.ndim == 1
        if self.classes:
            counts = np.bincount(targets)
            chosen = np.sort(np.argsort(-counts, kind="stable")[:MOST_CLASSES])
            self.columns = (targets[:, None] == chosen[len(counts) == 2 :]).astype(np.float64)
        else:
            deviations = targets.std(axis=0)
            self.columns = (targets - targets.mean(axis=0)) / np.where(deviations > 0, deviations, 1.0)

    def __getitem__(self, rows: Places) -> TrainingTargets:
        """Those of some of the rows."""
        some = copy.copy(self)
        some.folds, some.columns = self.folds[rows], self.columns[rows]
        return some

    @property
    def variation(self) -> float:
        """The sum of the squared differences from the means."""
        return float(np.square(self.columns - self.columns.mean(axis=0)).sum())

    def crossed(self, told: Callable[[Rows, Rows], Numbers]) -> Numbers:
        """The numbers of each row by what is fitted on the rows of the other folds.

        Parameters
        ----------
        told : (rows to fit on, rows to look up) -> numbers
            Rows as masks (n,).
        """
        numbers: Numbers = np.empty_like(self.columns)
        for fold in range(FOLDS):
            here = self.folds == fold
            numbers[here] = told(~here, here)
        return numbers

    def gain(self, predicted: Numbers) -> float:
        """The share of the targets' variance that numbers explain as predictions."""
        total = self.variation
        return 1.0 - float(((self.columns - predicted) ** 2).sum()) / total if total > 0 else 0.0

    def is_smooth(self, gain: float, *numbers: npt.NDArray[Any]) -> bool:
        """Whether cubic polynomials of numbers, with their product, explain almost as much as a statistic does."""
        columns = [np.ones(len(self.columns))]
        for raw in numbers:
            gap = np.isnan(raw)
            with np.errstate(over="ignore", invalid="ignore"):
                middle, spread = np.nanmedian(raw), np.nanstd(raw)
                z = np.where(gap, 0.0, (raw - middle) / (spread if spread > 0 else 1.0)).clip(-1e8, 1e8)
            z = np.nan_to_num(z / np.sqrt(1.0 + (z / 3.0) ** 2))
            columns += [z, z**2, z**3, gap.astype(np.float64)]
        if len(numbers) == 2:
            columns.append(columns[1] * columns[5])
        x = np.stack(columns, axis=1)
        explained = self.gain(x @ np.linalg.lstsq(x, self.columns, rcond=None)[0])
        return gain < LEAST_TIMES * explained and gain < LEAST_MORE + explained

    def explained(self, numbers: Numbers) -> float:
        """The share of the targets' variance that each target's number explains by the best straight line."""
        x, y = numbers - numbers.mean(axis=0), self.columns - self.columns.mean(axis=0)
        fitted = np.square((x * y).sum(axis=0)) / np.maximum(np.square(x).sum(axis=0), 1e-12)
        return float(fitted.sum()) / max(self.variation, 1e-12)


def of_category(codes: npt.NDArray[np.int32], count: int, targets: TrainingTargets) -> Found | None:
    """Fit the statistic of a column of categories, by codes from 0 to ``count - 1``; `None` if it tells nothing."""
    if count < FEWEST_LEVELS + 2:
        return None

    def fit(rows: Rows) -> Numbers:
        return shrunk_means(codes[rows], count, targets.columns[rows])

    crossed = targets.crossed(lambda rows, wanted: fit(rows)[codes[wanted]])
    if (gain := targets.gain(crossed)) < LEAST_GAIN:
        return None
    return Found(Statistic(means=rounded(fit(np.ones(len(codes), np.bool_)))), crossed.astype(np.float32), gain)


def of_number(raw: npt.NDArray[Any], targets: TrainingTargets) -> Found | None:
    """Fit the statistic of raw numbers (n,), NaN for gaps; `None` if it tells nothing."""
    edges = bin_edges(raw, MOST_BINS // targets.columns.shape[1])
    if len(edges) < 3:
        return None
    places, count = binned(raw, edges), len(edges) + 2
    recurring = float(np.square(np.bincount(places)).sum()) >= 3 * len(places)

    def fit(rows: Rows) -> Numbers:
        here, wanted = places[rows], targets.columns[rows]
        smooth = tree_means(here, count, wanted)
        return smooth + shrunk_means(here, count, wanted - smooth[here], mean=0.0) if recurring else smooth

    crossed = targets.crossed(lambda rows, wanted: fit(rows)[places[wanted]])
    if (gain := targets.gain(crossed)) < LEAST_GAIN or targets.is_smooth(gain, raw):
        return None
    means = rounded(fit(np.ones(len(raw), np.bool_)))
    return Found(Statistic(means=means, edges=tuple(edges.tolist())), crossed.astype(np.float32), gain)


def of_text(words: pl.Series, targets: TrainingTargets) -> Found | None:
    """Fit the statistic of the words of texts, lists (n,); `None` if it tells nothing.

    Of classes it is naive Bayes' sum of log-odds; of values the sum of the words' shrunken means.
    """
    counts = words.list.unique().explode().drop_nulls().alias("word").value_counts()
    counts = counts.filter(pl.col("count") >= 3).sort(["count", "word"], descending=[True, False])
    known = tuple(word for word in counts["word"].head(MOST_WORDS).to_list() if word)
    if not known:
        return None
    found = _occurrences(words, known)

    def fit(rows: Rows) -> Numbers:
        inside = rows[found.rows]
        owners = found.rows[inside]
        mean = targets.columns[rows].mean(axis=0)
        if not targets.classes:
            return shrunk_means(found.places[inside], len(known), targets.columns[owners] - mean, mean=0.0)
        counted, sums = _sums_by_place(found.places[inside], len(known), targets.columns[owners])
        ratios: Numbers = (sums + PRIOR * mean) / (counted + PRIOR)[:, None] / np.maximum(mean, 1e-9)
        return np.log(np.maximum(ratios, 1e-9))

    everywhere = np.ones(len(words), np.bool_)
    crossed = targets.crossed(lambda rows, wanted: _sums(found, fit(rows))[wanted])
    if (gain := targets.explained(crossed)) < LEAST_GAIN:
        return None
    return Found(Statistic(means=rounded(fit(everywhere)), words=known), crossed.astype(np.float32), gain)


def telling_words(words: pl.Series, counts: pl.DataFrame, most: int, targets: TrainingTargets) -> list[str]:
    """Choose the words of texts, lists (n,), among which the targets differ most from those of all, by chi-squared.

    Parameters
    ----------
    words : series of lists (n,)
    counts : data frame
        The column "word" has those to choose from.
    most : int
    targets : TrainingTargets
    """
    known = counts["word"].head(MOST_WORDS).to_list()
    found = _occurrences(words, known)
    counted, sums = _sums_by_place(found.places, len(known), targets.columns[found.rows])
    mean, variance = targets.columns.mean(axis=0), np.maximum(targets.columns.var(axis=0), 1e-9)
    differences = np.square(sums - counted[:, None] * mean) / np.maximum(counted, 1)[:, None] / variance
    order = np.argsort(-differences.sum(axis=1), kind="stable")[:most]
    return [known[place] for place in order]


def bin_edges(raw: npt.NDArray[Any], most: int = MOST_BINS, bins: int = 1024) -> Numbers:
    """The edges between the distinct values of a number, or of some bins of equal counts if these are too many."""
    values = np.unique(raw[~np.isnan(raw)])
    if len(values) > most:
        shares = np.linspace(0, 1, bins + 1)[1:-1]
        return np.unique(np.quantile(raw[~np.isnan(raw)], shares, method="inverted_cdf"))
    return values[:-1] / 2 + values[1:] / 2


def binned(raw: npt.NDArray[Any], edges: Sequence[float] | Numbers) -> Places:
    """The bin of each number, from 1, a number on an edge in the lower one; 0 for NaN."""
    places = np.searchsorted(np.asarray(edges), raw, side="left") + 1
    return np.where(np.isnan(raw), 0, places)


def shrunk_means(
    places: Places | npt.NDArray[np.int32], count: int, targets: Numbers, mean: float | None = None
) -> Numbers:
    """Means of targets by place, each drawn towards the mean of all by empirical Bayes.

    With the variance ``w`` within places and ``b`` between them, both by the analysis of variance, a place of ``n``
    rows keeps ``n / (n + w / b)`` of its difference from the mean.

    Parameters
    ----------
    places : (n,)
        From 0 to ``count - 1``.
    targets : (n, n_targets)
    mean : float, optional
        Instead of the targets' own.

    Returns
    -------
    means : (count, n_targets)
    """
    counts, sums = _sums_by_place(places, count, targets)
    used, n = int((counts > 0).sum()), len(places)
    middle = targets.mean(axis=0) if mean is None else np.full(targets.shape[1], mean)
    differences = sums / np.maximum(counts, 1)[:, None] - middle
    differences[counts == 0] = 0.0
    within = (np.square(targets - middle).sum() - (counts[:, None] * differences**2).sum()) / max(n - used, 1)
    typical = (n - np.square(counts).sum() / max(n, 1)) / max(used - 1, 1)
    between = ((counts[:, None] * differences**2).sum() / max(used - 1, 1) - within) / max(typical, 1e-9)
    if between <= 0:
        return np.broadcast_to(middle, differences.shape).copy()
    kept: Numbers = counts / (counts + max(within, 0.0) / between + 1e-9)
    drawn: Numbers = middle + kept[:, None] * differences
    return drawn


def tree_means(places: Places, count: int, targets: Numbers) -> Numbers:
    """Means of targets in the leaves of a regression tree over ordered places, the best split first.

    Parameters
    ----------
    places : (n,)
        From 0, which is for gaps and a leaf by itself, to ``count - 1``.
    targets : (n, n_targets)

    Returns
    -------
    means : (count, n_targets)
    """
    counts, sums = _sums_by_place(places, count, targets)
    n, total = np.concatenate([[0.0], counts.cumsum()]), np.concatenate([np.zeros((1, sums.shape[1])), sums.cumsum(0)])
    least, mean = max(10, len(places) // 1000), targets.mean(axis=0)

    def split(low: int, high: int) -> tuple[float, int, int, int]:
        """The best split of a leaf, places ``low`` to ``high - 1``: its gain, the leaf, and where."""
        first = low + int(n[low:high].searchsorted(n[low] + least))
        end = low + int(n[low:high].searchsorted(n[high] - least, side="right"))
        if first >= end:  # no cut leaves enough rows on both sides
            return 0.0, low, high, low
        left, of_left = n[first:end] - n[low], total[first:end] - total[low]
        right, of_right = n[high] - n[first:end], total[high] - total[first:end]
        gains = np.square(of_left).sum(axis=1) / left + np.square(of_right).sum(axis=1) / right
        gains -= np.square(total[high] - total[low]).sum() / (n[high] - n[low])
        best = int(gains.argmax())
        return max(float(gains[best]), 0.0), low, high, first + best

    leaves = [split(1, count)]
    while len(leaves) < LEAVES and max(leaves)[0] > 0:
        worst = max(leaves)
        leaves.remove(worst)
        _, low, high, cut = worst
        leaves += [split(low, cut), split(cut, high)]
    means = np.empty_like(sums)
    for low, high in [(0, 1), *((low, high) for _, low, high, _ in leaves)]:
        means[low:high] = (total[high] - total[low] + least * mean) / (n[high] - n[low] + least)
    return means


class _Occurrences(NamedTuple):
    """The rows and the words of a text column, a pair for each word that a row has: both (m,); and the rows."""

    rows: Places
    places: Places
    n: int


def _occurrences(words: pl.Series, known: Sequence[str]) -> _Occurrences:
    table = pl.DataFrame({"row": pl.arange(len(words), eager=True), "word": words.list.unique(maintain_order=True)})
    table = table.explode("word").drop_nulls()
    places = table["word"].replace_strict(list(known), list(range(len(known))), default=-1, return_dtype=pl.Int64)
    found = places.to_numpy() >= 0
    return _Occurrences(table["row"].to_numpy()[found], places.to_numpy()[found], len(words))


def _sums(found: _Occurrences, means: Numbers) -> Numbers:
    columns = [np.bincount(found.rows, column[found.places], minlength=found.n) for column in means.T]
    return np.stack(columns, axis=1)


def _sums_by_place(places: Places | npt.NDArray[np.int32], count: int, targets: Numbers) -> tuple[Numbers, Numbers]:
    """The rows at each place, (count,), and the sums of their targets, (count, n_targets)."""
    sums = [np.bincount(places, column, minlength=count) for column in targets.T]
    return np.bincount(places, minlength=count).astype(np.float64), np.stack(sums, axis=1)


def rounded(means: Numbers) -> tuple[tuple[float, ...], ...]:
    """Means as they are saved."""
    return tuple(map(tuple, np.round(means, 6).tolist()))
