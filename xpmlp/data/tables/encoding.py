"""Encoding of tables as two arrays, numbers and category codes, fitted on a training part.

Numbers are computed in float64 and stored as float32.  The code of a category is 0 if it was never seen and 1 if it is
missing; the others have codes from 2, the commonest first, and the rare ones share the last.  The encoding is JSON.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, model_validator

from xpmlp.data.messages import did_you_mean, listed, quoted
from xpmlp.data.saved import Saved
from xpmlp.data.tables.cells import as_numbers
from xpmlp.data.tables.columns import MAX_COLUMNS, Column, Schema
from xpmlp.data.tables.dates import ISO_FORMATS
from xpmlp.data.tables.features import UNSEEN, EncodedColumn, EncodedPair, Feature, Indicator
from xpmlp.data.tables.frames import as_frame, columns_of
from xpmlp.data.tables.pairs import MOST_PAIRS
from xpmlp.data.tables.raw import read_raw, source_of
from xpmlp.errors import DataError

BLOCK = 65_536
"""Rows encoded at a time: their values fit the cache, and memory is bounded."""

MIN_ROWS_MOVED = 100
"""Minimum number of rows for reporting that a column's distribution has moved."""


class Encoded(NamedTuple):
    """An encoded table.

    Attributes
    ----------
    numbers : (n, n_numbers) float32
    codes : (n, n_codes) int32
    unseen : dict
        For each categorical column with unseen categories, the number of their rows.
    unreadable : dict
        For each column with unreadable cells, their number; they are taken for missing values.
    moments : (3, n_numbers) float64
        The row count, sums and sums of squares of the numbers; additive over parts of a table.
    """

    numbers: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    unseen: dict[str, int]
    unreadable: dict[str, int]
    moments: npt.NDArray[np.float64]


class TableEncoding(Saved):
    """The encoding of a table's columns as numbers and codes.

    Attributes
    ----------
    format : str
    table_schema : Schema
        The schema of all columns, including those left out.
    columns : tuple of EncodedColumn
    indicators : tuple of Indicator
    pairs : tuple of EncodedPair
    """

    called = "an encoding"

    format: Literal["xpmlp table 1"]
    table_schema: Schema
    columns: tuple[EncodedColumn, ...] = Field(max_length=MAX_COLUMNS)
    indicators: tuple[Indicator, ...] = Field((), max_length=MAX_COLUMNS)
    pairs: tuple[EncodedPair, ...] = Field((), max_length=MOST_PAIRS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse statistics that do not fit their columns: they are looked up by index."""
        counts = {one.column.name: one.code_count if one.has_codes else 0 for one in self.columns}
        told: list[tuple[str, Any]] = [(one.column.name, one.statistic) for one in self.columns if one.statistic]
        told += [(s.column, s) for pair in self.pairs for s in (pair.statistic.first, pair.statistic.second)]
        for name, statistic in told:
            if name not in counts or len(statistic.means) != (counts[name] or len(statistic.means)):
                raise ValueError(f"a statistic that does not fit column {quoted(name)}")
        return self

    @property
    def number_names(self) -> tuple[str, ...]:
        """The name of each number, in the order of `Encoded.numbers`."""
        return tuple(feature.name for _, feature in self.named_features())

    @property
    def code_names(self) -> tuple[str, ...]:
        """The name of each categorical column, in the order of `Encoded.codes`."""
        return tuple(one.column.name for one in self.columns if one.has_codes)

    @property
    def code_counts(self) -> tuple[int, ...]:
        """The number of codes of each categorical column, 0 and 1 included."""
        return tuple(one.code_count for one in self.columns if one.has_codes)

    def with_decimal(self, decimal: Literal[".", ","]) -> Self:
        """Return the encoding for new rows with numbers written with a decimal mark, whatever training's."""
        columns = []
        for one in self.columns:
            column = one.column.model_copy(update={"style": one.column.style.with_decimal(decimal)})
            columns.append(one.model_copy(update={"column": column}))
        return self.model_copy(update={"columns": tuple(columns)})

    def encode(self, frame: Any, *, allow_missing: bool = False, what: str = "the table") -> Encoded:
        """Encode a table; its columns are matched by name, in any order, and others are left out.

        Parameters
        ----------
        frame : data frame
        allow_missing : bool
            Whether to take an absent column for missing values.
        what : str
            The table's name in messages.

        Raises
        ------
        DataError
            If a column is absent, or more than half of its values are not of the kind seen in training; an unknown
            level of an ordered category is of the kind.
        """
        data = as_frame(frame, what).data
        there = set(data.columns)
        absent = [one.column.name for one in self.columns if one.column.name not in there]
        if absent and not allow_missing:
            known = set(self.table_schema.names)
            others = [name for name in data.columns if name not in known]
            raise DataError(
                f"{what}: lacks {listed(absent)}, which the model was trained on"
                f"{did_you_mean(absent[0], others or data.columns)}"
            )
        if absent:
            data = data.with_columns([pl.lit(None).alias(name) for name in absent])
        return self._encode(data, what)

    def _encode(self, data: pl.DataFrame, what: str) -> Encoded:
        width = len(self.number_names)
        numbers = np.empty((data.height, width), dtype=np.float32)
        codes = np.empty((data.height, len(self.code_counts)), dtype=np.int32)
        unreadable = dict.fromkeys((one.column.name for one in self.columns), 0)
        present, moments = dict(unreadable), np.zeros((3, width))
        indicated = {name for indicator in self.indicators for name in indicator.columns}
        paired = {side.column for pair in self.pairs for side in (pair.statistic.first, pair.statistic.second)}
        for start in range(0, data.height, BLOCK):
            rows = slice(start, min(start + BLOCK, data.height))
            block, place, code_place, gaps, sources = columns_of(data[rows]), 0, 0, {}, {}
            for one in self.columns:
                name = one.column.name
                read = read_raw(one, block[name], self.table_schema.missing)
                unreadable[name] += read.unreadable
                present[name] += len(read.gap) - int(read.gap.sum())
                if name in indicated:
                    gaps[name] = read.gap
                if name in paired:
                    sources[name] = source_of(one, read)
                for feature, raw in zip(one.features, read.numbers, strict=True):
                    numbers[rows, place] = scaled = feature.apply(raw)
                    moments[1:, place] += scaled.sum(), np.square(scaled).sum()
                    place += 1
                if read.codes is not None:
                    codes[rows, code_place] = read.codes
                    code_place += 1
            for indicator in self.indicators:
                told = np.logical_or.reduce([gaps[name] for name in indicator.columns])
                numbers[rows, place] = told
                moments[1:, place] += told.sum()
                place += 1
            for pair in self.pairs:
                found = pair.statistic.of(sources[pair.statistic.first.column], sources[pair.statistic.second.column])
                for feature, raw in zip(pair.features, found.T, strict=True):
                    numbers[rows, place] = scaled = feature.apply(raw.copy())
                    moments[1:, place] += scaled.sum(), np.square(scaled).sum()
                    place += 1
        moments[0] = data.height
        self._refuse_other_kinds(data, unreadable, present, what)
        unseen = {
            name: int(count)
            for name, count in zip(self.code_names, (codes == UNSEEN).sum(axis=0), strict=True)
            if count
        }
        return Encoded(numbers, codes, unseen, {name: n for name, n in unreadable.items() if n}, moments)

    def moved(self, moments: npt.NDArray[np.float64]) -> list[str]:
        """List the columns whose mean differs from that in training by over half a standard deviation.

        Parameters
        ----------
        moments : (3, n_numbers)
            `Encoded.moments`, of one part or summed over many.
        """
        rows = moments[0, 0] if moments.size else 0
        if rows < MIN_ROWS_MOVED:
            return []
        means = moments[1] / rows
        return list(
            dict.fromkeys(
                owner
                for (owner, feature), mean in zip(self.named_features(), means, strict=True)
                if abs(mean - feature.mean) > 0.5 * max(feature.std, 0.1)
            )
        )

    def named_features(self) -> Iterator[tuple[str, Feature]]:
        """Yield the column's name and the feature of each number."""
        for one in self.columns:
            for feature in one.features:
                yield one.column.name, feature
        for indicator in self.indicators:
            yield indicator.columns[0], indicator.feature
        for pair in self.pairs:
            for feature in pair.features:
                yield pair.statistic.name, feature

    def _refuse_other_kinds(
        self, data: pl.DataFrame, unreadable: dict[str, int], present: dict[str, int], what: str
    ) -> None:
        for one in self.columns:
            name = one.column.name
            typed = one.column.kind == "number" and data[name].dtype.is_numeric()  # at worst infinities
            if unreadable[name] > present[name] and not typed and not one.column.order:
                values = data[name].drop_nulls()
                example = str(values[0]) if len(values) else ""
                raise DataError(
                    f"{what}: column {quoted(name)} is no {one.column.kind}, as it was in training, but has values "
                    f"such as {quoted(example)}{_advice(one.column, data[name], self.table_schema.missing)}"
                )


def _advice(column: Column, cells: pl.Series, missing: tuple[str, ...]) -> str:
    """Return the advice for numbers with the decimal mark that training had not, and for dates; "" for others."""
    if column.kind == "date":
        shown = dt.datetime(2024, 12, 31, 14, 5).strftime((*column.date_formats, *ISO_FORMATS)[0])
        return f": write its dates as in training, as {quoted(shown)}"
    mark: Literal[".", ","] = "." if column.style.decimal == "," else ","
    present = len(cells) - cells.null_count()
    if column.kind != "number" or 2 * as_numbers(cells, column.style.with_decimal(mark), missing).unreadable > present:
        return ""
    called = "commas" if mark == "," else "points"
    return f": for decimal {called}, predict with --set data.decimal={mark}"
