"""Target statistics of pairs of columns: means of the targets at each combination of values.

A pair is kept if out of fold it explains more than the two columns one by one; for two numbers, also more than a smooth
function of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from xpmlp.data.saved import Finite, Frozen
from xpmlp.data.tables.columns import Name
from xpmlp.data.tables.statistics import (
    MOST_BINS,
    Means,
    Numbers,
    Places,
    Rows,
    TrainingTargets,
    bin_edges,
    binned,
    rounded,
    shrunk_means,
)

MOST_COLUMNS = 12
"""Maximum number of columns of which all pairs are tried: those that explain most by themselves."""

MOST_PAIRS = 8
"""Maximum number of pairs to keep: those that add most."""

FEWEST_ROWS = 2_500
"""Minimum number of training rows for pairs: with fewer, those that seem informative are so by chance."""

MOST_ROWS = 50_000
"""Maximum number of training rows for choosing the pairs."""

FEW_VALUES = 400
"""Maximum number of distinct values of a number with a bin each; with more, there are 32 bins of equal counts."""

LEAST_GAIN = 0.001
"""Minimum share of the targets' variance that a pair explains beyond its columns, out of fold."""

MOST_NUMBERS = 100_000
"""Maximum size of a pair's statistic: its cells times the targets."""


Source: TypeAlias = npt.NDArray[np.int32] | Numbers
"""A column's codes, or its raw numbers with NaN for missing values."""


class Side(Frozen):
    """One column of a pair.

    Attributes
    ----------
    column : str
    edges : tuple of float
        For numbers, the upper edges of all bins but the last; for codes, none.
    means : tuple of (n_targets,)
        Its term of the sum, by code; or for missing values and then by bin.
    """

    column: Name
    edges: tuple[Finite, ...] = Field((), max_length=MOST_BINS)
    means: Means

    def places(self, source: Source) -> Places:
        """Return the code or bin of each code or raw number."""
        return binned(source, self.edges) if source.dtype.kind == "f" else source.astype(np.int64)


class PairStatistic(Frozen):
    """A number for each target at each combination of two columns' values: the sum of three means.

    Attributes
    ----------
    first, second : Side
    cells : tuple of int
        The combinations found in training rows, ``first * len(second.means) + second``, in ascending order.
    means : tuple of (n_targets,)
        The terms of these cells.
    """

    first: Side
    second: Side
    cells: tuple[Annotated[int, Field(ge=0)], ...] = Field(max_length=MOST_NUMBERS)
    means: Means

    @model_validator(mode="after")
    def _fits(self) -> Self:
        widths = {len(row) for means in (self.first.means, self.second.means, self.means) for row in means}
        sides = (self.first, self.second)
        if len(widths) != 1 or len(self.cells) != len(self.means):
            raise ValueError("means that do not fit the cells they are of")
        if any(side.edges and len(side.means) != len(side.edges) + 2 for side in sides):
            raise ValueError("means that do not fit the bins they are of")
        return self

    @property
    def name(self) -> str:
        """The names of the two columns."""
        return f"{self.first.column} and {self.second.column}"

    def of(self, first: Source, second: Source) -> Numbers:
        """Look up rows by the codes or raw numbers of both columns: (n, n_targets)."""
        one, other = self.first.places(first), self.second.places(second)
        keys, cells = one * len(self.second.means) + other, np.asarray(self.cells)
        at = np.searchsorted(cells, keys).clip(max=len(cells) - 1)
        added = np.where((cells[at] == keys)[:, None], np.asarray(self.means)[at], 0.0)
        told: Numbers = np.asarray(self.first.means)[one] + np.asarray(self.second.means)[other] + added
        return told


Pair: TypeAlias = tuple[PairStatistic, npt.NDArray[np.float32]]


class Candidate(NamedTuple):
    """A column that may become part of a pair.

    Attributes
    ----------
    name : str
    places : (n,)
        From 0 to ``size - 1``.
    size : int
    edges : (size - 2,)
        The bins' edges for numbers; none for codes.
    """

    name: str
    places: npt.NDArray[np.int32]
    size: int
    edges: Numbers


def candidate(name: str, source: Source, count: int) -> Candidate:
    """Build a candidate from a column's codes, ``count`` in number, or raw numbers with NaN for missing values."""
    if source.dtype.kind != "f":
        return Candidate(name, source.astype(np.int32), count, np.empty(0))
    edges = bin_edges(source, FEW_VALUES, 32)
    return Candidate(name, binned(source, edges).astype(np.int32), len(edges) + 2, edges)


def find_pairs(candidates: Sequence[Candidate], targets: TrainingTargets) -> list[Pair]:
    """Find the pairs of columns that explain more than the two one by one.

    Returns
    -------
    pairs : list of (PairStatistic, (n, n_targets))
        The best first, each with its out-of-fold numbers for the training rows.
    """
    n = len(targets.folds)
    some = np.sort(np.random.default_rng(n).permutation(n)[:MOST_ROWS])
    sample, alone = targets[some], []
    for one in candidates:
        crossed = _crossed(one.places[some], one.size, sample, sample.columns)
        alone.append((sample.gain(crossed), one, crossed))
    alone = sorted(alone, key=lambda told: -told[0])[:MOST_COLUMNS]
    found = []
    for (_, first, crossed), (_, second, _) in combinations(alone, 2):
        rest = sample.columns - crossed
        rest = rest - _crossed(second.places[some], second.size, sample, rest, mean=0.0)
        cells, places = np.unique(
            first.places[some].astype(np.int64) * second.size + second.places[some], return_inverse=True
        )
        if len(cells) > len(some) / 2:
            continue
        left = rest - _crossed(places, len(cells), sample, rest, mean=0.0)
        gain = float(np.square(rest).sum() - np.square(left).sum()) / max(sample.variation, 1e-12)
        numbers = [one.places[some].astype(np.float64) for one in (first, second) if len(one.edges)]
        if len(numbers) == 2 and sample.is_smooth(sample.gain(sample.columns - left), *numbers):
            continue
        if gain >= LEAST_GAIN:
            found.append((gain, first, second))
    found = sorted(found, key=lambda told: -told[0])[:MOST_PAIRS]
    fitted = [_fitted(first, second, targets) for _, first, second in found]
    return [pair for pair in fitted if pair is not None]


def _fitted(first: Candidate, second: Candidate, targets: TrainingTargets) -> Pair | None:
    cells, places = np.unique(first.places.astype(np.int64) * second.size + second.places, return_inverse=True)
    if len(cells) * targets.columns.shape[1] > MOST_NUMBERS:
        return None

    def fit(rows: Rows) -> tuple[Numbers, Numbers, Numbers]:
        here, there, both, wanted = first.places[rows], second.places[rows], places[rows], targets.columns[rows]
        by_first = shrunk_means(here, first.size, wanted)
        rest = wanted - by_first[here]
        by_second = shrunk_means(there, second.size, rest, mean=0.0)
        return by_first, by_second, shrunk_means(both, len(cells), rest - by_second[there], mean=0.0)

    def told(rows: Rows, means: tuple[Numbers, Numbers, Numbers]) -> Numbers:
        numbers: Numbers = means[0][first.places[rows]] + means[1][second.places[rows]] + means[2][places[rows]]
        return numbers

    crossed = targets.crossed(lambda rows, wanted: told(wanted, fit(rows)))
    by_first, by_second, added = map(rounded, fit(np.ones(len(places), np.bool_)))
    sides = [
        Side(column=one.name, edges=tuple(one.edges.tolist()), means=means)
        for one, means in ((first, by_first), (second, by_second))
    ]
    return PairStatistic(first=sides[0], second=sides[1], cells=tuple(cells.tolist()), means=added), crossed.astype(
        np.float32
    )


def _crossed(
    places: Places | npt.NDArray[np.int32],
    count: int,
    targets: TrainingTargets,
    columns: Numbers,
    mean: float | None = None,
) -> Numbers:
    """Compute out-of-fold shrunken means of ``columns`` by place, for each row."""
    return targets.crossed(lambda rows, wanted: shrunk_means(places[rows], count, columns[rows], mean)[places[wanted]])
