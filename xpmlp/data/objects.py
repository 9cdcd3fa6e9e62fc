"""Conversion of data frame columns, held as Python objects or in types of their own, to NumPy's types."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp.data.messages import quoted
from xpmlp.errors import DataError

MAX_LABEL_LENGTH = 256
"""Longest name of a class; anything longer is taken for text."""

_GAPS = ("NoneType", "NAType", "NaTType")
"""The type names of missing values, besides NaN."""


def column_as_numbers(column: Any, source: str, name: str) -> npt.NDArray[Any]:
    """Convert a column to numbers, (n,), with NaN for missing values.

    Parameters
    ----------
    column : (n,)
        A pandas or polars series, an Arrow array, or a NumPy array.
    source, name : str
        The names of the table and the column in messages.

    Raises
    ------
    DataError
        If a value is not a real number.
    """
    kind = getattr(getattr(column, "dtype", None), "kind", None)
    if hasattr(column, "iloc") and not isinstance(column.dtype, np.dtype) and kind in ("b", "i", "u", "f"):
        numbers: npt.NDArray[Any] = column.to_numpy(np.float64, na_value=np.nan)
        return numbers
    values = np.asarray(column)
    if values.ndim != 1:
        raise DataError(f"{source}: column {quoted(name)} has the shape {values.shape}; (n,) is needed")
    if values.dtype.kind in "biuf":
        return values
    numbers = np.empty(len(values))
    for row, value in enumerate(values.tolist() if values.dtype.kind == "O" else values):
        if is_missing(value):
            numbers[row] = np.nan
        elif not isinstance(value, np.timedelta64) and isinstance(value, Real | Decimal | np.bool_):
            numbers[row] = float(value)
        else:
            raise DataError(
                f"{source}: row {row + 1}, column {quoted(name)} has {quoted(str(value))}, which is not a number; "
                "encode the column as numbers or drop it"
            )
    return numbers


def labels_of_objects(values: Sequence[Any], source: str) -> npt.NDArray[Any]:
    """Convert labels given as Python objects, (n,), to an array of text, truth values, whole numbers or reals.

    Raises
    ------
    DataError
        If a label is missing, or the labels are of mixed or unsupported types.
    """
    missing = next((row for row, value in enumerate(values) if is_missing(value)), None)
    if missing is not None:
        raise DataError(f"{source}: the target of row {missing + 1} is missing; fill it in or drop the row")
    if all(isinstance(value, str) for value in values):
        longest = max(map(len, values), default=0)
        if longest > MAX_LABEL_LENGTH:  # NumPy would make every label as long as the longest
            raise DataError(f"{source}: has a label of {longest:,} characters; at most {MAX_LABEL_LENGTH} are allowed")
        return np.asarray(values, dtype=np.str_)
    are_truths = [isinstance(value, bool | np.bool_) for value in values]
    if all(are_truths) or all(isinstance(value, bytes) for value in values):
        return np.asarray(values)
    if not any(are_truths) and all(isinstance(value, Real) for value in values):
        if any(not isinstance(value, Integral) for value in values):
            return np.asarray(values, dtype=np.float64)
        try:
            return np.asarray(values, dtype=np.int64)
        except OverflowError:
            raise DataError(f"{source}: has a label beyond 2**63 - 1; labels go up to that") from None
    kinds = sorted({type(value).__name__ for value in values})
    raise DataError(f"{source}: has labels of the type {' and '.join(kinds)}; make all of them text or whole numbers")


def is_missing(value: Any) -> bool:
    """Whether a value stands for a missing one: None, NaN, or one of pandas'."""
    return type(value).__name__ in _GAPS or (isinstance(value, Real) and bool(value != value))
