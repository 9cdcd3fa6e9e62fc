"""Tables passed to an estimator, with scikit-learn's own checks of their columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names

from xpmlp.data.tables import Frame, as_frame
from xpmlp.data.tables.frames import names_of
from xpmlp.errors import ConfigError, DataError


class TableInput(BaseEstimator):
    """An estimator whose ``X`` is a table with missing values, texts and categories, as its scikit-learn tags state."""

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


@contextmanager
def as_value_errors() -> Iterator[None]:
    """Turn an error in data or parameters into the `ValueError` expected by scikit-learn's tools."""
    try:
        yield
    except (ConfigError, DataError) as error:
        raise ValueError(str(error)) from error


def given_frame(estimator: BaseEstimator, X: Any, *, reset: bool) -> Frame:
    """Convert an estimator's ``X`` to a data frame, and record its columns or compare them with those recorded.

    Named columns are matched by name later, in any order; unnamed ones by position.

    Raises
    ------
    ValueError
        If it is not a table, has no rows or no columns, or not as many columns as in `fit`.
    """
    if not isinstance(X, np.ndarray) and len(getattr(X, "shape", (0, 0))) == 1:
        raise ValueError(
            f"X is a {type(X).__name__}, and a table is needed: of a column make one by X.to_frame(), of a row of "
            "pandas' by X.to_frame().T, or take it by frame.iloc[[0]]"
        )
    with as_value_errors():
        frame = as_frame(X, "X")
    names = names_of(X, frame)
    rows, columns = frame.data.shape
    if not columns:
        raise ValueError(f"0 feature(s) (shape=({rows}, 0)) while a minimum of 1 is required.")
    if not rows:
        raise ValueError(f"Found array with 0 sample(s) (shape=(0, {columns})) while a minimum of 1 is required.")
    if reset:
        estimator.n_features_in_ = columns
        if names is not None:
            estimator.feature_names_in_ = np.asarray(names, dtype=object)
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        return frame
    known = getattr(estimator, "feature_names_in_", None)
    if (names is None) != (known is None):
        _check_feature_names(estimator, X, reset=False)  # warns
    if names is None or known is None:
        if columns != estimator.n_features_in_:
            raise ValueError(
                f"X has {columns} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} "
                "features as input"
            )
        wanted = [f"x{place}" for place in range(columns)] if known is None else list(known)
        frame = Frame(frame.data.rename(dict(zip(frame.data.columns, wanted, strict=True))), {})
    return frame
