"""Checks of an estimator's input: features stay where they are, targets and weights are moved to the host.

NumPy arrays, lists, data frames and sparse matrices go through scikit-learn's own checks.  These would convert other
libraries' arrays to NumPy, or refuse them, unless scikit-learn's array API dispatch is on; such arrays are therefore
checked here, in their own namespace, with scikit-learn's messages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, validate_data

from xpmlp._typing import Array
from xpmlp.backend import HOST, DTypeName, Residence, residence_of
from xpmlp.estimator.places import to_host
from xpmlp.estimator.samples import Samples


def check_training_input(
    estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any, *, reset: bool, y_numeric: bool
) -> Samples:
    """Check the arguments of `fit` or `partial_fit`.

    Parameters
    ----------
    estimator : estimator
        Its ``dtype`` is the type to compute in; ``None`` keeps float32 and converts everything else to float64.
    X : (n, n_features)
        Of any backend, array-like or sparse.
    y : (n,) or (n, n_outputs)
    sample_weight : (n,), number or None
    reset : bool
        Whether to remember the number and names of the features; else they are compared with those remembered.
    y_numeric : bool
        Whether ``y`` must be numeric.

    Returns
    -------
    samples : Samples
        The features where they were given, in the type to compute in, sparse ones in CSR form; the unencoded targets
        and the weights on the host.

    Raises
    ------
    ValueError, TypeError
        scikit-learn's own.
    """
    residence = residence_of(X)
    y, sample_weight = to_host(y), to_host(sample_weight)
    if residence == HOST:
        X, y = validate_data(
            estimator,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=y_numeric,
            dtype=_host_dtypes(estimator),
            reset=reset,
        )
    else:
        X = _check_device_array(estimator, X, reset=reset)
        y = validate_data(estimator, y=y, multi_output=True, y_numeric=y_numeric)
        check_consistent_length(X, y)
    if y.dtype.kind in "mM" and np.isnat(y).any():  # scikit-learn's checks let it pass as a class
        raise ValueError("Input y contains NaT.")
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, y, dtype=np.dtype(dtype_name(X)))
    return Samples(_rows(X), y, sample_weight, given=y)


def check_features(estimator: BaseEstimator, X: Any, *, method: str, fitted: Array) -> tuple[Any, Residence]:
    """Check the features passed to ``method`` of a fitted estimator.

    Parameters
    ----------
    fitted : array
        One of the estimator's arrays, for its residence.

    Raises
    ------
    ValueError
        scikit-learn's own; also if ``X`` is of another namespace or on another device than the estimator.
    """
    residence, home = residence_of(X), residence_of(fitted)
    if residence != home:
        raise elsewhere(estimator, method, fitted, residence)
    if residence == HOST:
        X = validate_data(estimator, X, accept_sparse=["csr", "csc"], dtype=_host_dtypes(estimator), reset=False)
    else:
        X = _check_device_array(estimator, X, reset=False)
    return _rows(X), residence


def elsewhere(estimator: BaseEstimator, method: str, fitted: Array, residence: Residence) -> ValueError:
    """Build the error for features that are not where the estimator is, in scikit-learn's words."""
    return ValueError(
        f"Inputs passed to {type(estimator).__name__}.{method}() must use the same namespace and the same device as "
        f"those passed to fit(). The estimator was fitted with arrays of {residence_of(fitted)}, {method} was given "
        f"those of {residence}. You can move the estimator to the same namespace and device as X with: 'from "
        "sklearn.utils._array_api import get_namespace_and_device, move_estimator_to; xp, _, device = "
        "get_namespace_and_device(X); estimator = move_estimator_to(estimator, xp, device)'"
    )


def dtype_name(X: Any) -> DTypeName:
    """Return the name of the dtype of checked features."""
    return "float32" if str(X.dtype).endswith("float32") else "float64"


def _rows(X: Any) -> Any:
    """Convert sparse features to CSR form, whose rows can be selected."""
    return X.tocsr() if hasattr(X, "tocsr") else X


def _host_dtypes(estimator: Any) -> list[Any]:
    return [np.float64, np.float32] if estimator.dtype is None else [np.dtype(estimator.dtype)]


def _check_device_array(estimator: Any, X: Array, *, reset: bool) -> Array:
    """Check features of another library than NumPy as `sklearn.utils.check_array` would."""
    xp, name = array_namespace(X), type(estimator).__name__
    if X.ndim < 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead:\narray={X}.\nReshape your data either using "
            "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it contains a single "
            "sample."
        )
    if X.ndim > 2:
        raise ValueError(f"Found array with dim {X.ndim}, while dim <= 2 is required by {name}.")
    if xp.isdtype(X.dtype, "complex floating"):
        raise ValueError(f"Complex data not supported\n{X}\n")
    for axis, unit in enumerate(("sample", "feature")):
        if X.shape[axis] == 0:
            raise ValueError(
                f"Found array with 0 {unit}(s) (shape={tuple(X.shape)}) while a minimum of 1 is required by {name}."
            )
    dtype = getattr(xp, estimator.dtype or _dtype_on(X))
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    X = xp.astype(X, dtype, copy=False)
    if not to_host(xp.all(xp.isfinite(X))):
        what = "NaN" if to_host(xp.any(xp.isnan(X))) else f"infinity or a value too large for {dtype}"
        raise ValueError(f"Input X contains {what}.")
    return X


def _dtype_on(X: Array) -> DTypeName:
    """Return float32 for float32, or if the device has no float64, as on JAX outside its 64-bit mode; else float64."""
    here = array_namespace(X).__array_namespace_info__().dtypes(device=device(X))
    return "float32" if str(X.dtype).endswith("float32") or "float64" not in here else "float64"
