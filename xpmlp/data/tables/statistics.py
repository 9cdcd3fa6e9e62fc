"""Target statistics: means of the training targets at each value of a column, as inputs of a network.

A training row's numbers come from the other folds, so that they do not contain its own target (Micci-Barreca 2001;
Pargent, Pfisterer, Thomas and Bischl 2022); those of any other row come from all training rows.  Means of few rows are
shrunk towards the overall mean, according to their variance (empirical Bayes).
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
from xpmlp.data.tables.columns import MAX_NAME, Name

FOLDS = 5
"""Folds of the training rows; the numbers of each come from the others."""

MOST_CLASSES = 12
"""Maximum number of classes with a statistic of their own: the commonest ones."""

MOST_BINS = 4_096
"""Maximum number of distinct values, times the targets, for a bin each; a number with more has 1,024 bins of equal
counts."""

FEWEST_LEVELS = 10
"""Minimum number of levels of a category with a statistic: with fewer, the codes tell a network as much."""

LEAVES = 16
"""Maximum number of leaves of the tree that smooths the bins of a number."""

PRIOR = 5
"""Rows of the average text added to those of a word, in naive Bayes."""

LEAST_MORE = 0.1
LEAST_TIMES = 1.4
"""The least gain of a statistic of numbers over a cubic polynomial, as a share of the targets' variance or as a factor:
a network learns smooth functions by itself."""

MOST_NUMBERS = 200
"""Maximum total width of the statistics of single columns: those of the most informative columns are kept."""

MOST_WORDS = 5_000
"""Maximum number of words of a text column with a statistic: the commonest ones."""

LEAST_GAIN = 0.001
"""Minimum share of the targets' variance that a statistic must explain, out of fold, to be kept."""

Numbers: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.bool_]


Means: TypeAlias = Annotated[tuple[tuple[Finite, ...], ...], Field(min_length=1, max_length=100_000)]
"""A row (n_targets,) of numbers for each place: a code, bin or word."""


class Statistic(Frozen):
    """A number for each target at each value of a column.

    Attributes
    ----------
    means : tuple of (n_targets,)
        For categories, by code; for numbers, the first for missing values and then by bin; for text, by word.
    edges : tuple of float
        For numbers: the upper edges of all bins but the last.
    words : tuple of str
        For text: the words.
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
        """Look up codes (n,); returns (n, n_targets)."""
        return np.asarray(self.means)[codes]

    def of_numbers(self, raw: npt.NDArray[Any]) -> Numbers:
        """Look up raw numbers (n,), NaN for missing values; returns (n, n_targets)."""
        return np.asarray(self.means)[binned(raw, self.edges)]

    def of_words(self, words: pl.Series) -> Numbers:
        """Sum the numbers of each row's words, lists (n,); returns (n, n_targets)."""
        return _sums(_occurrences(words, self.words), np.asarray(self.means))


class Found(NamedTuple):
    """A statistic, its out-of-fold numbers (n, n_targets) for training rows, and the share of variance they explain."""

    statistic: Statistic
    crossed: npt.NDArray[np.float32]
    gain: float


class TrainingTargets:
    """The targets of a training part as numeric columns, and the folds of its rows.

    Parameters
    ----------
    targets : (n,) or (n, n_targets)
        Class indices, or values.
    groups : (n,), optional
        The group of each row; a group stays in one fold.
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
        """Select rows."""
        some = copy.copy(self)
        some.folds, some.columns = self.folds[rows], self.columns[rows]
        return some

    @property
    def variation(self) -> float:
        """The sum of squared deviations from the means."""
        return float(np.square(self.columns - self.columns.mean(axis=0)).sum())

    def crossed(self, told: Callable[[Rows, Rows], Numbers]) -> Numbers:
        """Compute each row's numbers from a fit on the rows of the other folds.

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
        """Compute the share of the targets' variance explained by numbers as predictions."""
        total = self.variation
        return 1.0 - float(((self.columns - predicted) ** 2).sum()) / total if total > 0 else 0.0

    def is_smooth(self, gain: float, *numbers: npt.NDArray[Any]) -> bool:
        """Whether cubic polynomials of numbers, with their product, explain almost as much as a statistic."""
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
        """Compute the share of the targets' variance explained by the best straight line in each target's number."""
        x, y = numbers - numbers.mean(axis=0), self.columns - self.columns.mean(axis=0)
        fitted = np.square((x * y).sum(axis=0)) / np.maximum(np.square(x).sum(axis=0), 1e-12)
        return float(fitted.sum()) / max(self.variation, 1e-12)


def of_category(codes: npt.NDArray[np.int32], count: int, targets: TrainingTargets) -> Found | None:
    """Fit the statistic of category codes, from 0 to ``count - 1``; `None` if it is uninformative."""
    if count < FEWEST_LEVELS + 2:
        return None

    def fit(rows: Rows) -> Numbers:
        return shrunk_means(codes[rows], count, targets.columns[rows])

    crossed = targets.crossed(lambda rows, wanted: fit(rows)[codes[wanted]])
    if (gain := targets.gain(crossed)) < LEAST_GAIN:
        return None
    return Found(Statistic(means=rounded(fit(np.ones(len(codes), np.bool_)))), crossed.astype(np.float32), gain)


def of_number(raw: npt.NDArray[Any], targets: TrainingTargets) -> Found | None:
    """Fit the statistic of raw numbers (n,), NaN for missing values; `None` if it is uninformative."""
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
    """Fit the statistic of the words of texts, lists (n,); `None` if it is uninformative.

    For classes it is naive Bayes' sum of log probability ratios; for values, the sum of the words' shrunken means.
    """
    counts = words.list.unique().explode().drop_nulls().alias("word").value_counts()
    counts = counts.filter((pl.col("count") >= 3) & (pl.col("word").str.len_chars() <= MAX_NAME))
    counts = counts.sort(["count", "word"], descending=[True, False])
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
    """Choose the words of texts, lists (n,), whose rows' targets differ most from the average, by chi-squared.

    Parameters
    ----------
    words : series of lists (n,)
    counts : data frame
        The column "word" has the candidates.
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
    """Return the edges between the distinct values of a number, or between ``bins`` of equal counts if too many."""
    values = np.unique(raw[~np.isnan(raw)])
    if len(values) > most:
        shares = np.linspace(0, 1, bins + 1)[1:-1]
        return np.unique(np.quantile(raw[~np.isnan(raw)], shares, method="inverted_cdf"))
    return values[:-1] / 2 + values[1:] / 2


def binned(raw: npt.NDArray[Any], edges: Sequence[float] | Numbers) -> Places:
    """Return the bin of each number, from 1; a number on an edge is in the lower bin, and NaN in bin 0."""
    places = np.searchsorted(np.asarray(edges), raw, side="left") + 1
    return np.where(np.isnan(raw), 0, places)


def shrunk_means(
    places: Places | npt.NDArray[np.int32], count: int, targets: Numbers, mean: float | None = None
) -> Numbers:
    """Compute the targets' means by place, each shrunk towards the overall mean by empirical Bayes.

    With the variance ``w`` within places and ``b`` between them, both by analysis of variance, a place of ``n`` rows
    keeps ``n / (n + w / b)`` of its difference from the mean.

    Parameters
    ----------
    places : (n,)
        From 0 to ``count - 1``.
    targets : (n, n_targets)
    mean : float, optional
        The mean to shrink towards, instead of the targets' own.

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
    """Compute the targets' means in the leaves of a regression tree over ordered places, grown best split first.

    Parameters
    ----------
    places : (n,)
        From 0, for missing values and a leaf by itself, to ``count - 1``.
    targets : (n, n_targets)

    Returns
    -------
    means : (count, n_targets)
    """
    counts, sums = _sums_by_place(places, count, targets)
    n, total = np.concatenate([[0.0], counts.cumsum()]), np.concatenate([np.zeros((1, sums.shape[1])), sums.cumsum(0)])
    least, mean = max(10, len(places) // 1000), targets.mean(axis=0)

    def split(low: int, high: int) -> tuple[float, int, int, int]:
        """Find the best split of a leaf, places ``low`` to ``high - 1``: its gain, the leaf, and the cut."""
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
    """The pairs of a row and a word in it, (m,) each, and the number of rows of a text column."""

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
    """Count the rows at each place, (count,), and sum their targets, (count, n_targets)."""
    sums = [np.bincount(places, column, minlength=count) for column in targets.T]
    return np.bincount(places, minlength=count).astype(np.float64), np.stack(sums, axis=1)


def rounded(means: Numbers) -> tuple[tuple[float, ...], ...]:
    """Round means for saving."""
    return tuple(map(tuple, np.round(means, 6).tolist()))
