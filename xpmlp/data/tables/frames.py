"""Conversion of any library's tables to polars data frames, with columns of readable types.

pandas, pyarrow and the other libraries are never imported: whoever passes a table has already imported its library.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from xpmlp.data.messages import quoted
from xpmlp.data.tables.cells import as_texts
from xpmlp.errors import BackendError, DataError

_GAPS = ("NoneType", "NAType", "NaTType")
_NESTED = (list, tuple, set, dict, np.ndarray)


class Frame(NamedTuple):
    """A table in polars.

    Attributes
    ----------
    data : pl.DataFrame
    orders : dict
        The categories of ordered categorical columns, from the lowest.
    """

    data: pl.DataFrame
    orders: dict[str, tuple[str, ...]]


def as_frame(source: Any, what: str = "the table") -> Frame:
    """Convert a table to a polars data frame, by position: a pandas index is ignored.

    Parameters
    ----------
    source : data frame, mapping or array
        Of polars, pandas, pyarrow or any library supported by narwhals; a mapping of names to columns; a structured
        array, or one (n, columns), whose columns are numbered from 0.
    what : str
        The table's name in messages.

    Raises
    ------
    DataError
        If it is not a table, or two columns share a name.
    BackendError
        In a process that was forked from one that has read a table.
    """
    refuse_fork()
    if isinstance(source, Frame):
        return source
    if isinstance(source, pl.DataFrame | pl.LazyFrame):
        data = source.collect() if isinstance(source, pl.LazyFrame) else source
        return Frame(data, {})
    if isinstance(source, pl.Series):
        return Frame(source.to_frame(), {})
    if type(source).__module__.partition(".")[0] == "pyarrow":
        return _of_arrow(source, what)
    if _is_pandas(source):
        return _of_pandas(source, what)
    if hasattr(source, "toarray"):
        raise DataError(
            f"{what} is a sparse matrix, and sparse data are not supported here: call its toarray(), or make a data "
            "frame of it."
        )
    if isinstance(source, Mapping):
        return _of_columns(list(source), [source[name] for name in source], what)
    if isinstance(source, np.ndarray):
        return _of_array(source, what)
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        if source and all(isinstance(row, Mapping) for row in source):
            names = list(dict.fromkeys(name for row in source for name in row))
            return _of_columns(names, [[row.get(name) for row in source] for name in names], what)
        array = np.asarray(source, dtype=object)
        return _of_array(array, what)
    return _of_others(source, what)


@functools.cache
def _reader() -> int:
    """Return the id of the process that has polars' threads: the first to ask, also in processes forked from it."""
    return os.getpid()


def refuse_fork() -> None:
    """Raise a `BackendError` in a process forked from the one with polars' threads, where it would wait for them."""
    if os.getpid() != _reader():
        raise BackendError(
            "tables cannot be read in a process that was forked from one that has read some: start processes by "
            'multiprocessing.get_context("spawn"), or with joblib by its own default, "loky".'
        )


def columns_of(data: pl.DataFrame) -> dict[str, pl.Series]:
    """Return the columns by name; polars itself searches all columns for each lookup."""
    return dict(zip(data.columns, data.get_columns(), strict=True))


def names_of(source: Any, frame: Frame) -> tuple[str, ...] | None:
    """Return the names of the columns of a frame made of a table; None if this has none, as a plain array."""
    rows = source[:1] if isinstance(source, list | tuple) else ()
    records = getattr(getattr(source, "dtype", None), "names", None) or any(isinstance(row, Mapping) for row in rows)
    named = records or isinstance(source, Mapping) or hasattr(source, "columns")
    return tuple(frame.data.columns) if named else None


def as_series(values: Any, name: str, what: str = "y") -> pl.Series:
    """Convert one column of any library to a polars series, by position.

    Raises
    ------
    DataError
        If it has several columns, or is not a column.
    """
    if isinstance(values, pl.Series):
        return values.alias(name)
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.names is None:
        return _series(name, values)
    if isinstance(values, list | tuple) and not any(isinstance(value, list | tuple) for value in values[:1]):
        return _series(name, values)
    if _is_pandas(values) and not hasattr(values, "columns"):
        return _pandas_column(name, values)[0]
    if type(values).__module__.partition(".")[0] == "pyarrow" and not hasattr(values, "column_names"):
        try:
            return pl.Series(name, pl.from_arrow(values)).rechunk()
        except pl.exceptions.PolarsError:
            raise DataError(
                f"column {quoted(name)} is of Arrow's type {values.type}, which cannot be read: drop it, or make "
                "numbers or text of it."
            ) from None
    if hasattr(values, "__array__") and not hasattr(values, "columns"):
        array = np.asarray(values)
        return as_series(array, name, what) if array.ndim == 1 else _only(as_frame(array), name, what)
    return _only(as_frame(values, what), name, what)


def _only(frame: Frame, name: str, what: str) -> pl.Series:
    if frame.data.width != 1:
        raise DataError(f"{what} has {frame.data.width} columns, and one is needed.")
    return frame.data.to_series(0).alias(name)


def _is_pandas(source: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame | pandas.Series | pandas.Index)


def _of_arrow(source: Any, what: str) -> Frame:
    if not hasattr(source, "schema"):
        raise DataError(f"{what} is an Arrow array of one column, and a table is needed.")
    names = list(map(str, source.schema.names))
    _refuse_repeated(names, what)
    orders: dict[str, tuple[str, ...]] = {}
    words: list[str] = []
    for field in source.schema:
        if getattr(field.type, "ordered", False):
            column = source.column(names.index(field.name))
            chunks = getattr(column, "chunks", [column])  # a record batch has arrays
            if order := _common_order([tuple(map(str, chunk.dictionary.to_pylist())) for chunk in chunks]):
                orders[field.name] = order
        plain, category = _known_to_polars(field.type)
        if plain is not None:
            place = names.index(field.name)
            column = source.column(place).cast(plain)
            source = source.set_column(place, field.name, column.cast("string") if category else column)
            words += [field.name] * category
    try:
        data = pl.from_arrow(source.rename_columns(list(map(str, range(len(names))))))  # polars would name "" anew
    except pl.exceptions.PolarsError:
        for name, column in zip(names, source.columns, strict=True):
            as_series(column, name)  # raises the error of the unreadable one
        raise
    assert isinstance(data, pl.DataFrame)
    data.columns = names
    return Frame(data.with_columns(pl.col(words).cast(pl.Categorical)), orders)


def _common_order(orders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the one of several orders that contains all others; an empty one if there is none."""
    longest = max(orders, key=len, default=())
    alike = all(tuple(level for level in longest if level in set(one)) == one for one in orders)
    return longest if alike else ()


def _known_to_polars(given: Any) -> tuple[Any, bool]:
    """Return the type to which an Arrow column must be cast for polars, or None, and whether it is categorical.

    Long decimals become float64; a dictionary of values other than text becomes a categorical column.
    """
    if str(given).startswith("decimal256"):
        return "float64", False
    levels = getattr(given, "value_type", None) if str(given).startswith("dictionary") else None
    return (None, False) if levels is None or "string" in str(levels) else (levels, True)


def _of_pandas(source: Any, what: str) -> Frame:
    if not hasattr(source, "columns"):
        return Frame(_pandas_column(str(source.name or "x0"), source)[0].to_frame(), {})
    names = [" ".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in source.columns]
    _refuse_repeated(names, what)
    columns, orders = [], {}
    for place, name in enumerate(names):
        column, order = _pandas_column(name, source.iloc[:, place])
        columns.append(column)
        if order:
            orders[name] = order
    named = dict(zip(names, columns, strict=True))  # a list would rename a column called ""
    return Frame(pl.DataFrame(named) if named else pl.DataFrame(height=len(source)), orders)


def _pandas_column(name: str, column: Any) -> tuple[pl.Series, tuple[str, ...]]:
    """Convert a pandas column without pyarrow, and return its order if it is an ordered category."""
    dtype = column.dtype
    kind = type(dtype).__name__
    if kind == "CategoricalDtype":
        levels = as_texts(_pandas_column(name, dtype.categories.to_series())[0], ())  # like a column of them
        codes = np.asarray(column.cat.codes if hasattr(column, "cat") else column.codes, dtype=np.int64)
        texts = pl.Series(name, [*levels, None], dtype=pl.String).gather(np.where(codes < 0, len(levels), codes))
        return texts.cast(pl.Categorical), tuple(levels.drop_nulls()) if dtype.ordered else ()
    if kind == "SparseDtype":
        column = column.sparse.to_dense() if hasattr(column, "sparse") else column
        dtype = column.dtype
    if kind == "PeriodDtype":
        column = column.dt.to_timestamp()
        dtype = column.dtype
    if kind == "DatetimeTZDtype":
        instants = np.asarray(column.dt.tz_convert("UTC").dt.tz_localize(None), dtype="datetime64[us]")
        return _aware(pl.Series(name, instants), str(dtype.tz)), ()
    if isinstance(dtype, np.dtype):
        return _series(name, np.asarray(column)), ()
    if getattr(dtype, "kind", "O") in "iufb" and column.isna().any():
        mask = np.asarray(column.isna())
        filled = np.asarray(column.fillna(dtype.type(0) if dtype.kind != "b" else False))
        numbers = pl.Series(name, filled.astype(f"{dtype.kind}{dtype.itemsize}" if dtype.kind != "b" else bool))
        return numbers.set(pl.Series(mask), None), ()
    if getattr(dtype, "kind", "O") in "iufb":
        return pl.Series(name, column.to_numpy(f"{dtype.kind}{dtype.itemsize}" if dtype.kind != "b" else bool)), ()
    missing = {"na_value": None} if kind == "StringDtype" else {}
    return _series(name, column.to_numpy(object, **missing)), ()


def _aware(instants: pl.Series, zone: str) -> pl.Series:
    try:
        return instants.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    except (pl.exceptions.PolarsError, ValueError):  # a zone with an offset and no name
        return instants.dt.replace_time_zone("UTC")


def _of_columns(labels: Sequence[Any], columns: Sequence[Any], what: str) -> Frame:
    names = list(map(str, labels))
    _refuse_repeated(names, what)
    for name, column in zip(names, columns, strict=True):
        if column is None or np.isscalar(column):
            raise DataError(
                f"column {quoted(name)} is of type {type(column).__name__}, which is no column: give a list or an array"
            )
    series = [as_series(column, name, what) for name, column in zip(names, columns, strict=True)]
    lengths = {len(one) for one in series}
    if len(lengths) > 1:
        raise DataError(f"{what} has columns of different lengths: {', '.join(map(str, sorted(lengths)))}.")
    return Frame(pl.DataFrame(dict(zip(names, series, strict=True))), {})


def _of_array(array: np.ndarray[Any, Any], what: str) -> Frame:
    if isinstance(array, np.matrix):
        array = array.A
    if array.dtype.names:
        return _of_columns(array.dtype.names, [array[name] for name in array.dtype.names], what)
    if array.ndim != 2:
        raise DataError(
            f"{what} has the shape {array.shape}; a table has rows and columns. Reshape your data either using "
            "array.reshape(-1, 1) if it has a single feature, or array.reshape(1, -1) if it has a single sample."
        )
    return _of_columns([f"x{place}" for place in range(array.shape[1])], list(array.T), what)


def _of_others(source: Any, what: str) -> Frame:
    import narwhals as nw

    try:
        frame = nw.from_native(source)
    except TypeError:
        if hasattr(source, "__array__"):
            return _of_array(np.asarray(source), what)
        raise DataError(
            f"{what} is of type {type(source).__name__}, which is no table: give a data frame, or an array."
        ) from None
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect(backend="polars")
    _refuse_repeated([str(name) for name in frame.columns], what)
    data = frame.to_polars()
    return Frame(data, {})


def _series(name: str, values: Any) -> pl.Series:
    """Convert a NumPy array or Python objects to a polars series; NaN is kept, and counts as missing when read."""
    array = np.asarray(values) if not isinstance(values, np.ndarray) else values
    if isinstance(values, np.ma.MaskedArray):
        array = np.ma.filled(values.astype(object), None)
    if array.ndim != 1:
        array = np.fromiter(values, dtype=object, count=len(values))
    kind = array.dtype.kind
    if kind in "iufb":
        if array.dtype == np.float16 or array.dtype.itemsize > 8:
            array = array.astype(np.float64)
        return pl.Series(name, np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))
    if kind == "M":
        return pl.Series(name, array.astype("datetime64[us]"))
    if kind == "m":
        return pl.Series(name, array.astype("timedelta64[us]"))
    if kind in "US":
        texts = np.char.decode(array, "utf-8", "backslashreplace") if kind == "S" else array
        return pl.Series(name, texts.tolist(), dtype=pl.String)
    if kind == "c":
        raise DataError(f"column {quoted(name)} has complex numbers: Complex data not supported.")
    if kind == "T":
        return pl.Series(name, [None if _is_gap(one) else one for one in array.tolist()], dtype=pl.String)
    return _of_objects(name, array.tolist() if kind != "O" else list(array))


def _of_objects(name: str, values: list[Any]) -> pl.Series:
    """Convert Python objects to a column of one type: numbers, truth values or times; mixed ones as texts."""
    if {*map(type, values)} <= {str, type(None)}:  # in a sixth of the time
        return pl.Series(name, values, dtype=pl.String)
    given = [None if _is_gap(value) else value for value in values]
    present = [value for value in given if value is not None]
    if all(isinstance(value, str) for value in present):
        return pl.Series(name, given, dtype=pl.String)
    if all(isinstance(value, bool | np.bool_) for value in present):
        return pl.Series(name, [None if value is None else bool(value) for value in given], dtype=pl.Boolean)
    if all(isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_) for value in present):
        whole = all(isinstance(value, Integral) and -(2**63) <= int(value) < 2**63 for value in present)
        number: Any = int if whole else float
        with suppress(OverflowError):  # of an integer beyond float64, which is read as text
            numbers = [None if value is None else number(value) for value in given]
            return pl.Series(name, numbers, dtype=pl.Int64 if whole else pl.Float64)
    kind = next((type(value).__name__ for value in present if isinstance(value, _NESTED)), None)
    if kind is not None:
        raise DataError(
            f"column {quoted(name)} holds values of type {kind}, argument must be a string or a number: drop it, or "
            "make numbers or text of it"
        )
    if all(isinstance(value, dt.date | dt.time | dt.timedelta) for value in present):
        with suppress(pl.exceptions.PolarsError, TypeError, ValueError):
            return pl.Series(name, [getattr(value, "to_pydatetime", lambda value=value: value)() for value in given])
    if all(isinstance(value, bytes) for value in present):
        return pl.Series(name, [None if one is None else one.decode("utf-8", "backslashreplace") for one in given])
    return pl.Series(name, [None if value is None else _as_text(value) for value in given], dtype=pl.String)


def _as_text(value: Any) -> str:
    """Convert a value in a mixed column to text: 7.0 becomes "7", since missing values turn integers into reals."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, Real) and not isinstance(value, Integral) and float(value).is_integer():
        return str(int(float(value)))
    return str(value)


def _is_gap(value: Any) -> bool:
    return (
        type(value).__name__ in _GAPS
        or (isinstance(value, float | np.floating) and bool(value != value))
        or (isinstance(value, Decimal) and value.is_nan())
    )


def _refuse_repeated(names: Sequence[str], what: str) -> None:
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise DataError(f"{what}: several columns are called {quoted(repeated[0])}; rename or drop columns")
