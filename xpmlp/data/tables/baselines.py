"""Two cheap baseline scores, to tell whether a network has learned anything: the constant and a linear model."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.data.dataset import Dataset, Part
from xpmlp.data.tables.features import FIRST

MAX_ROWS = 20_000
"""Maximum number of training rows of the linear model."""


class Baselines(NamedTuple):
    """Accuracy, or R², of the baselines on held-out rows.

    Attributes
    ----------
    constant, linear : float
        The score of the commonest class or the mean; and of a linear model of the numbers and the one-hot categories.
    """

    constant: float
    linear: float


def baselines(dataset: Dataset, part: Part, folds: npt.NDArray[np.int64] | None = None) -> Baselines:
    """Score the constant and a linear model, the latter fitted on at most 20,000 training rows.

    Parameters
    ----------
    dataset : Dataset
    part : Part
        A held-out part, or with ``folds`` the training part itself.
    folds : (n,), optional
        The folds of the training rows: each is predicted by models fitted on the others.
    """
    if folds is None:
        return Baselines(
            *(_score(told, part, dataset.n_classes) for told in _predictions(dataset, dataset.train, part))
        )
    pooled = np.empty((2, *part.targets.shape))
    for fold in range(int(folds.max()) + 1):
        here = folds == fold
        pooled[:, here] = _predictions(dataset, part[np.flatnonzero(~here)], part[np.flatnonzero(here)])
    return Baselines(*(_score(told, part, dataset.n_classes) for told in pooled))


def _predictions(dataset: Dataset, train: Part, part: Part) -> list[npt.NDArray[Any]]:
    """Predict each row of a part by the commonest class or the mean, and by a linear model."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if dataset.n_classes:
        constant: Any = np.bincount(train.targets, minlength=dataset.n_classes).argmax()
    else:
        constant = np.average(train.targets, axis=0, weights=train.weights)
    always = np.broadcast_to(constant, part.targets.shape)
    if len(train) > MAX_ROWS:
        train = train[np.sort(np.random.default_rng(0).permutation(len(train))[:MAX_ROWS])]
    x, z = _one_hot(train, dataset.code_counts), _one_hot(part, dataset.code_counts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not dataset.n_classes:
            model = Ridge(solver="lsqr").fit(x, train.targets, sample_weight=train.weights)
        elif len(np.unique(train.targets)) < 2:
            return [always, always]
        else:
            model = LogisticRegression(max_iter=60, tol=1e-2).fit(x, train.targets, sample_weight=train.weights)
        return [always, model.predict(z).reshape(part.targets.shape)]


def _score(predicted: npt.NDArray[Any], part: Part, n_classes: int) -> float:
    """Compute the accuracy, or R²."""
    if n_classes:
        return float(np.average(part.targets == predicted, weights=part.weights))
    mean = np.average(part.targets, axis=0, weights=part.weights)
    residual = np.average((part.targets - predicted) ** 2, axis=0, weights=part.weights)
    variance = np.average((part.targets - mean) ** 2, axis=0, weights=part.weights)
    return float(np.mean(1 - residual / np.where(variance > 0, variance, 1.0)))


def _one_hot(part: Part, counts: tuple[int, ...]) -> Any:
    """Return the numbers and the one-hot codes, except the code of unseen categories, as a sparse matrix."""
    from scipy import sparse

    blocks = [sparse.csr_matrix(np.asarray(part.features, dtype=np.float64))]
    for column, count in enumerate(counts):
        codes = np.asarray(part.codes)[:, column]
        rows = np.flatnonzero(codes >= FIRST - 1)
        ones = np.ones(len(rows))
        blocks.append(sparse.csr_matrix((ones, (rows, codes[rows] - 1)), shape=(len(codes), count - 1)))
    return sparse.hstack(blocks, format="csr")
