"""Tables with named columns, matched by name: data frames, Arrow tables, structured arrays.

pandas, polars and pyarrow are never imported: a table is recognised by its attributes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp.data.messages import did_you_mean, listed, quoted
from xpmlp.data.objects import column_as_numbers
from xpmlp.errors import DataError


def is_table(source: Any) -> bool:
    """Whether ``source`` has labelled columns, unlike a plain array, series or list."""
    if isinstance(source, np.ndarray):
        return source.dtype.names is not None
    return hasattr(type(source), "column_names") or hasattr(type(source), "columns")


def column_names(source: Any, what: str) -> tuple[str, ...] | None:
    """Return the names by which a table's columns are matched later.

    ``None`` if it is not a table, or its columns only have pandas' default numbers, from 0.

    Raises
    ------
    DataError
        If two columns share a name, or this kind of table cannot be read.
    """
    labels = _labels(source) if is_table(source) else []
    if _are_counted(labels):
        return None
    names = tuple(map(str, labels))
    _refuse_repeated(names, what)
    return names


def matched_columns(source: Any, wanted: Sequence[str] | None, what: str) -> Any:
    """Return the columns ``wanted`` of a table as numbers, (n, n_columns); anything but a table unchanged.

    Parameters
    ----------
    source : table, or array-like
    wanted : sequence of str, or None
        See `places_of`.
    what : str
        What messages begin with.

    Returns
    -------
    (n, n_columns)
        In one storage type for all columns; missing values are NaN.

    Raises
    ------
    DataError
        If a column is missing, or a value is not a number.
    """
    return _numeric(source, places_of(_labels(source), wanted, what), what) if is_table(source) else source


def places_of(labels: Sequence[Any], wanted: Sequence[str] | None, source: str) -> list[int]:
    """Find the positions of the columns ``wanted``, in their order.

    Parameters
    ----------
    labels : sequence
        The labels of the table's columns.
    wanted : sequence of str, or None
        Names; other columns are left out.  ``None``: all columns in their present order, or in numerical order if
        they are named by the numbers from 0.  Columns with pandas' default numbers keep their present order, too.
    source : str
        What messages begin with.

    Raises
    ------
    DataError
        If one of them is missing or repeated.
    """
    as_they_stand = list(range(len(labels)))
    names = list(map(str, labels))
    places = dict(zip(names, as_they_stand, strict=True))
    if wanted is None:
        wanted = list(map(str, as_they_stand))
        if places.keys() != set(wanted):
            return as_they_stand
    missing = [name for name in wanted if name not in places]
    if missing:
        if _are_counted(labels):
            return as_they_stand
        others = places.keys() - set(wanted)
        hint = did_you_mean(missing[0], [name for name in names if name in others] or names)
        raise DataError(f"{source}: lacks {listed(missing)}, which the model was trained on{hint}")
    if len(places) < len(names):
        needed = set(wanted)
        _refuse_repeated([name for name in names if name in needed], source)
    return [places[name] for name in wanted]


def column_at(table: Any, place: int) -> Any:
    """Return one column of a table: a series, an Arrow array or a field."""
    if isinstance(table, np.ndarray):
        return table[_labels(table)[place]]
    for method in ("to_series", "column"):  # of polars, of pyarrow
        if hasattr(table, method):
            return getattr(table, method)(place)
    return table.iloc[:, place]


def _labels(table: Any) -> list[Any]:
    """Return the labels of a table's columns: names, in pandas also numbers and tuples."""
    if isinstance(table, np.ndarray):
        return list(table.dtype.names or ())
    if not any(hasattr(type(table), method) for method in ("to_series", "column", "iloc")):
        raise DataError(f"a {type(table).__name__} cannot be read as a table: make a data frame or an array of it.")
    return list(table.column_names if hasattr(table, "column_names") else table.columns)


def _numeric(table: Any, places: Sequence[int], source: str) -> npt.NDArray[Any]:
    labels = _labels(table)
    if hasattr(table, "iloc"):  # a view of pandas' own block of memory if there is one
        table = table if list(places) == list(range(len(labels))) else table.iloc[:, list(places)]
        labels, places = [labels[place] for place in places], range(len(places))
        dtypes = set(table.dtypes)
        if dtypes and all(isinstance(dtype, np.dtype) for dtype in dtypes):
            kinds = {dtype.kind for dtype in dtypes}
            if kinds <= set("iuf") or kinds == {"b"}:
                return np.asarray(table)
    columns = [column_as_numbers(column_at(table, place), source, str(labels[place])) for place in places]
    return np.stack(columns, axis=1) if columns else np.empty((len(table), 0))


def _are_counted(labels: Sequence[Any]) -> bool:
    """Whether the labels are the whole numbers from 0, pandas' default for columns without names."""
    return list(labels) == list(range(len(labels)))


def _refuse_repeated(names: Sequence[str], source: str) -> None:
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise DataError(f"{source}: several columns are called {quoted(repeated[0])}; rename or drop columns")
