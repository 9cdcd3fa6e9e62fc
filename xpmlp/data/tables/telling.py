"""How well a column by itself tells the target: each row's target is predicted from the other rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from xpmlp.data.tables.columns import Column
from xpmlp.data.tables.targets import Targets

FEWEST_ROWS = 20
"""Minimum number of rows: with fewer, a column tells the target by chance."""

FEWEST_OTHERS = 5
"""Minimum number of rows outside the commonest class, for the same reason."""

MOST_LEFT = 0.1
"""Of the errors of always predicting the commonest class, the largest share that a column which tells may leave."""


class Telling:
    """Predictor of the target from one column at a time.

    A row's prediction is the commonest class, or the mean, of the other rows with the same value; without such rows, of
    those with the next lower and the next higher value; and for a category, of all rows.

    Parameters
    ----------
    targets : Targets
        Of several columns of values, the first is predicted.
    """

    def __init__(self, targets: Targets) -> None:
        labels = targets.labels
        self.of_classes = targets.task == "classes"
        if self.of_classes:
            _, self.classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
            self.commonest = int(counts.argmax())
            self.others = len(labels) - int(counts.max())
            enough = self.others >= FEWEST_OTHERS
        else:
            values = labels[:, 0]
            ranks = pl.Series(values).rank().to_numpy()  # in which no single value outweighs the others
            self.versions, enough = (values, ranks), bool(values.min() < values.max())
        self.can_be_told = enough and len(labels) >= FEWEST_ROWS

    def share(self, column: Column, values: pl.Series) -> float:
        """Compute the accuracy, or the share of explained variance; 0 for a column that is not judged or no help.

        Parameters
        ----------
        column : Column
        values : (n,)
            Its cells, read as values of its kind.
        """
        ordered = column.kind in ("number", "truth", "clock")
        if not self.can_be_told or not (ordered or column.kind == "category"):
            return 0.0
        ranks = values.rank("dense").fill_null(0).to_numpy()
        places = np.unique(ranks, return_inverse=True)[1]
        counts = np.bincount(places)
        if self.of_classes:
            return self._accuracy(places, counts, ordered)
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.nanmax([_explained(version, places, counts, ordered) for version in self.versions]))

    def _accuracy(self, places: npt.NDArray[np.intp], counts: npt.NDArray[np.intp], ordered: bool) -> float:
        """Compute the accuracy of the predictions from other rows, where a tie is an error; 0 if it is no help."""
        n_classes = int(self.classes.max()) + 1
        pairs, pair, times = np.unique(places * n_classes + self.classes, return_inverse=True, return_counts=True)
        value, label = np.divmod(pairs, n_classes)
        order, n_labels = np.lexsort((times, value)), np.bincount(value)
        last = np.cumsum(n_labels) - 1  # where the order has each value's commonest class; before it, the second
        commonest, most = label[order[last]], times[order[last]]
        second = np.where(n_labels > 1, times[order[last - 1]], 0)
        own = times[pair]
        right = ((own == most[places]) & (own - 1 > second[places])).astype(np.float64)
        alone = counts[places] == 1
        classes = self.classes[alone]
        if ordered and len(counts) > 1:
            right[alone] = np.mean([commonest[near] == classes for near in _neighbours(places[alone], len(counts))], 0)
        else:
            right[alone] = classes == self.commonest
        accuracy = float(right.mean())
        return accuracy if len(right) * (1 - accuracy) <= MOST_LEFT * self.others else 0.0


def _explained(values: npt.NDArray[Any], places: npt.NDArray[Any], counts: npt.NDArray[Any], ordered: bool) -> float:
    """Compute the share of the values' variance that the predictions from other rows explain."""
    sums = np.bincount(places, weights=values)
    others = counts[places] - 1
    predicted = (sums[places] - values) / np.maximum(others, 1)
    alone = others == 0
    if ordered and len(counts) > 1:
        means = sums / counts
        predicted[alone] = np.mean([means[near] for near in _neighbours(places[alone], len(counts))], axis=0)
    else:
        predicted[alone] = values.mean()
    return 1.0 - float(np.mean((values - predicted) ** 2)) / float(values.var())


def _neighbours(places: npt.NDArray[Any], n: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the places below and above; at either end, the only neighbour twice."""
    low, high = places - 1, places + 1
    return np.where(low < 0, high, low), np.where(high == n, low, high)
