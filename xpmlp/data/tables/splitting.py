"""Splitting of a table's rows into training, validation and test: by class, by group or by time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp.errors import DataError

MIN_OF_CLASS = 4
"""A class with fewer rows than this stays in the training part."""

Rows = npt.NDArray[np.intp]

VALIDATION = (0.1, 100, 0.2)
"""The share of the training rows to validate with; but at least 100 rows, and at most a fifth."""


def rows_to_validate(n_rows: int) -> float:
    """Return the default number of training rows to validate with; see `VALIDATION`."""
    share, least, most = VALIDATION
    return min(max(share * n_rows, least), most * n_rows)


def hold_out(
    rows: Rows,
    fraction: float,
    *,
    seed: int,
    classes: npt.NDArray[Any] | None = None,
    groups: npt.NDArray[Any] | None = None,
    times: npt.NDArray[np.float64] | None = None,
) -> tuple[Rows, Rows]:
    """Hold out a fraction of the rows.

    Rows of a group stay together.  With times, the newest rows are held out, and rows of one time stay together;
    without them, rows are drawn at random, the same share of each class.

    Parameters
    ----------
    rows : (n,)
        Row numbers.
    fraction : float
    seed : int
    classes, groups : (all rows,), optional
        Whole numbers from 0.
    times : (all rows,), optional
        NaN for a missing time, taken for the oldest.

    Returns
    -------
    kept, held_out : (n_kept,), (n_held_out,)
        In the order of the table.

    Raises
    ------
    DataError
        If one of the sides would be empty.
    """
    size = math.ceil(fraction * len(rows))
    if times is not None:
        held = _newest(np.nan_to_num(times[rows], nan=-np.inf), None if groups is None else groups[rows], size)
    elif groups is not None:
        held = _some_groups(groups[rows], size, np.random.default_rng(seed))
    elif classes is not None:
        held = _of_each_class(classes[rows], fraction, np.random.default_rng(seed))
    else:
        held = np.zeros(len(rows), dtype=bool)
        held[np.random.default_rng(seed).permutation(len(rows))[:size]] = True
    if not held.any() or held.all():
        raise DataError(
            f"{len(rows):,} rows cannot be split into a part to train on and one of {fraction:.0%} to hold out: "
            + (
                "they are of one group"
                if groups is not None
                else "they are of one time"
                if times is not None
                else "more are needed, or --test 0 to train on all"
                if classes is None or len(rows) < MIN_OF_CLASS
                else f"no class has {MIN_OF_CLASS}; give --test 0, or --task values for a quantity"
            )
        )
    return rows[~held], rows[held]


def rare_classes(targets: npt.NDArray[np.int64]) -> list[int]:
    """Return the classes too rare to split, which stay in the training part."""
    counts = np.bincount(targets)
    return np.flatnonzero((counts > 0) & (counts < MIN_OF_CLASS)).tolist()


def _of_each_class(classes: npt.NDArray[Any], fraction: float, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    held = np.zeros(len(classes), dtype=bool)
    for one in np.unique(classes):
        members = np.flatnonzero(classes == one)
        if len(members) >= MIN_OF_CLASS:
            held[random.permutation(members)[: max(round(fraction * len(members)), 1)]] = True
    return held


def _some_groups(groups: npt.NDArray[Any], size: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Take groups in random order until they have enough rows, but never all groups."""
    distinct, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = random.permutation(len(distinct))
    return _taken(order, counts, size)[place]


def _newest(times: npt.NDArray[np.float64], groups: npt.NDArray[Any] | None, size: int) -> npt.NDArray[np.bool_]:
    """Take the rows of the latest times, or the groups with the latest rows."""
    if groups is None:
        distinct, place, counts = np.unique(times, return_inverse=True, return_counts=True)
        return _taken(np.arange(len(distinct))[::-1], counts, size)[place]
    distinct, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    newest = np.full(len(distinct), -np.inf)
    np.maximum.at(newest, place, times)
    return _taken(np.argsort(newest, kind="stable")[::-1], counts, size)[place]


def _taken(order: npt.NDArray[np.intp], counts: npt.NDArray[np.intp], size: int) -> npt.NDArray[np.bool_]:
    before = np.cumsum(counts[order]) - counts[order]
    taken = np.zeros(len(counts), dtype=bool)
    taken[order[before < size][: len(counts) - 1]] = True
    return taken
