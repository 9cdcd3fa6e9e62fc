"""Small data and estimators for the tests of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits, make_multilabel_classification, make_regression

from tests.helpers import cases
from xpmlp import MLPClassifier, MLPRegressor
from xpmlp.backend import Backend

Data = tuple[npt.NDArray[Any], npt.NDArray[Any]]

ON_EACH_LIBRARY = [
    *cases("numpy", dtype="float32"),
    *(pytest.param(*case.values, marks=pytest.mark.slow, id=case.id) for case in cases("jax", dtype="float32")),
    *(case for case in cases("torch", "cupy", dtype="float32") if case.values[0].device != "mps"),
    *(case for case in cases("strict", dtype="float32") if case.values[0].device == "device1"),
]
"""Backends for the fixture ``backend``: each library on each device, in float32; JAX compiles long, so it is slow."""


DIGITS = load_digits(return_X_y=True)


def digits(n: int = 150) -> Data:
    X, y = DIGITS
    return X[:n] / 16, y[:n].copy()


def two_classes() -> Data:
    X, y = digits()
    return X, np.where(y % 2, "odd", "even")


def labels() -> Data:
    X, y = make_multilabel_classification(n_samples=110, random_state=0)
    return X / 10, y


def values() -> Data:
    X, y = make_regression(n_samples=110, n_features=12, n_targets=3, random_state=0)
    return X, y / 100


def one_value() -> Data:
    X, y = values()
    return X, y[:, 0]


def counts() -> Data:
    X, y = values()
    return X / 3, np.round(np.abs(y[:, :2]))


def classifier(**parameters: Any) -> MLPClassifier:
    return MLPClassifier(**{"hidden_layer_sizes": (11,), "random_state": 3, "max_iter": 4, **parameters})


def regressor(**parameters: Any) -> MLPRegressor:
    return MLPRegressor(**{"hidden_layer_sizes": (11,), "random_state": 3, "max_iter": 4, **parameters})


def on(backend: Backend, array: npt.NDArray[Any]) -> Any:
    """An array on a backend, reals in its dtype."""
    return backend.asarray(array.astype(backend.dtype_name) if array.dtype.kind == "f" else array)


def same_weights(first: Any, second: Any) -> bool:
    """Whether two estimators on the host have the same weights, bit by bit."""
    pairs = zip([*first.coefs_, *first.intercepts_], [*second.coefs_, *second.intercepts_], strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)
