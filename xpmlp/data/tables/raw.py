"""Reading of a column's cells as raw numbers, not yet scaled, or as codes."""

from __future__ import annotations

import math
import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from xpmlp.data.labels import unambiguous
from xpmlp.data.tables.cells import as_texts, words_of
from xpmlp.data.tables.columns import Column
from xpmlp.data.tables.dates import SECONDS_PER_DAY, as_dates
from xpmlp.data.tables.features import FIRST, MISSING_CODE, UNSEEN, EncodedColumn
from xpmlp.data.tables.frames import columns_of
from xpmlp.data.tables.inference import read_cells
from xpmlp.data.tables.pairs import Source

CYCLES = {"month": 12, "day": 31, "weekday": 7, "hour": 24}
"""The periodic parts of a date, with the lengths of their cycles."""


class RawColumn(NamedTuple):
    """A column's cells before scaling.

    Attributes
    ----------
    numbers : list of (n,) float64
        One for each feature; NaN for missing values.
    codes : (n,) int32, or None
    gap : (n,) bool
    unreadable : int
    """

    numbers: list[npt.NDArray[np.float64]]
    codes: npt.NDArray[np.int32] | None
    gap: npt.NDArray[np.bool_]
    unreadable: int


def read_raw(one: EncodedColumn, cells: pl.Series, missing: tuple[str, ...]) -> RawColumn:
    """Read a column's cells as raw numbers, or codes."""
    read, statistic = _read_plain(one, cells, missing), one.statistic
    if statistic is None:
        return read
    if read.codes is not None:
        told = statistic.of_codes(read.codes)
    elif one.column.kind == "text":
        told = statistic.of_words(words_of(as_texts(cells, missing, plus=False)))
    else:
        told = statistic.of_numbers(source_of(one, read))
    return read._replace(numbers=[*read.numbers, *told.T])


def source_of(one: EncodedColumn, read: RawColumn) -> Source:
    """Return the codes or numbers for the lookup of a column's statistic: whole days for a date."""
    if read.codes is not None:
        return read.codes
    return np.floor(read.numbers[0]) if one.column.kind == "date" else read.numbers[0]


def _read_plain(one: EncodedColumn, cells: pl.Series, missing: tuple[str, ...]) -> RawColumn:
    """Read a column's cells without the target statistic."""
    column, kind = one.column, one.column.kind
    plus = "+" in (*one.levels, *one.rare, *column.order)
    if one.has_codes:
        codes = _codes(one, cells, missing, plus)
        return RawColumn([], codes, codes == MISSING_CODE, 0)
    if kind == "date":
        parts = date_parts(cells, column, missing)
        days = parts["days"]
        numbers = [_cycled(parts, feature.part) for feature in one.own_features]
        present = cells if cells.dtype.is_temporal() else as_texts(cells, missing)
        return RawColumn(numbers, None, days.is_null().to_numpy(), days.null_count() - present.null_count())
    if kind == "text":
        texts = as_texts(cells, missing, plus=False)
        return RawColumn(_text_numbers(one, texts), None, texts.is_null().to_numpy(), 0)
    if kind == "category":
        texts = as_texts(cells, missing, plus=plus)
        ranks = _matched(texts, column.order)
        unreadable = ranks.null_count() - texts.null_count()
        return RawColumn([_floats(ranks)], None, ranks.is_null().to_numpy(), unreadable)
    values, unreadable = read_cells(cells, column, missing)
    raw = _floats(values)
    gap = np.isnan(raw)
    if kind == "truth":
        raw = 2.0 * raw - 1.0
    if kind == "clock":
        numbers = [_cycled({"hour": values}, feature.part) for feature in one.own_features]
        return RawColumn(numbers, None, gap, unreadable)
    return RawColumn([raw], None, gap, unreadable)


def _floats(values: pl.Series) -> npt.NDArray[np.float64]:
    return values.cast(pl.Float64).to_numpy()


def _codes(one: EncodedColumn, cells: pl.Series, missing: tuple[str, ...], plus: bool) -> npt.NDArray[np.int32]:
    """Look up the codes of cells: most are spelled like the levels, and each distinct other is looked up once."""
    if cells.dtype != pl.String:
        cells = as_texts(cells, missing, plus=plus)
    known = (*one.levels, *one.rare)
    places = [*range(FIRST, FIRST + len(one.levels)), *[FIRST + len(one.levels)] * len(one.rare)]
    found = cells.replace_strict(known, places, default=None, return_dtype=pl.Int32) if known else None
    if found is None or found.null_count() > cells.null_count():
        others = (cells if found is None else cells.filter(found.is_null())).drop_nulls().unique()
        told = _codes_of_texts(one, as_texts(others, missing, plus=plus))
        rest = cells.replace_strict(others, told, default=None, return_dtype=pl.Int32) if len(others) else None
        found = rest if found is None else found if rest is None else pl.select(pl.coalesce(found, rest)).to_series()
    if found is None:
        return np.full(len(cells), MISSING_CODE, np.int32)
    return found.fill_null(MISSING_CODE).to_numpy() if found.null_count() else found.to_numpy()


def _codes_of_texts(one: EncodedColumn, texts: pl.Series) -> pl.Series:
    found = _matched(texts, (*one.levels, *one.rare))
    codes = pl.select(
        pl.when(texts.is_null())
        .then(MISSING_CODE)
        .when(found.is_null())
        .then(UNSEEN)
        .otherwise((found + FIRST).clip(upper_bound=FIRST + len(one.levels)))
        .cast(pl.Int32)
    )
    return codes.to_series()


def _matched(texts: pl.Series, levels: tuple[str, ...]) -> pl.Series:
    """Return the index of each text among the levels, null if it is not one of them.

    Another spelling matches the only level with the same number or truth value: 7.0 is 7.
    """
    places = dict(zip(levels, range(len(levels)), strict=True))
    distinct = texts.drop_nulls().unique().to_list()
    unknown = {text: meaning_of(text) for text in distinct if text not in places}
    if any(meaning is not None for meaning in unknown.values()):
        by_meaning = unambiguous(levels, meaning_of)
        places |= {text: by_meaning[meaning] for text, meaning in unknown.items() if meaning in by_meaning}
    if not places:
        return pl.Series([None] * len(texts), dtype=pl.Int64)
    return texts.replace_strict(list(places), list(places.values()), default=None, return_dtype=pl.Int64)


def meaning_of(text: str) -> float | str | None:
    """Return the number or truth value that a text spells; None for other texts."""
    if text.lower() in ("true", "false"):
        return text.lower()
    if text[:1] == "0" and text[:2] not in ("0", "0."):
        return None  # 007 is not 7
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def date_parts(cells: pl.Series, column: Column, missing: tuple[str, ...]) -> dict[str, pl.Series]:
    """Extract the parts of dates: days since 1970, the year, and the periodic parts, from 0."""
    wall, instant = pl.col("wall").dt, pl.col("instant")
    parts = as_dates(cells, column, missing).values.struct.unnest().select(
        days=instant.to_physical().cast(pl.Float64) / (SECONDS_PER_DAY * 1e6),
        year=wall.year(),
        month=wall.month() - 1,
        day=wall.day() - 1,
        weekday=wall.weekday() - 1,
        hour=wall.hour().cast(pl.Float64) + wall.minute().cast(pl.Float64) / 60,
    )  # fmt: skip
    return columns_of(parts)


def _cycled(parts: dict[str, pl.Series], part: str) -> npt.NDArray[np.float64]:
    if part in parts:
        return _floats(parts[part])
    name, wave = part.rsplit(" ", 1)
    angle = 2 * np.pi * _floats(parts[name]) / CYCLES[name]
    return np.sin(angle) if wave == "sin" else np.cos(angle)


def _text_numbers(one: EncodedColumn, texts: pl.Series) -> list[npt.NDArray[np.float64]]:
    """Compute the logarithm of each text's length, and for each word or bucket whether the text has it."""
    lengths = np.log1p(_floats(texts.str.len_chars()))
    words = words_of(texts)
    found = pl.DataFrame({"row": pl.arange(len(texts), eager=True), "word": words}).explode("word").drop_nulls()
    buckets = len(one.own_features) - 1 - len(one.words)
    places = dict(zip(one.words, range(len(one.words)), strict=True))
    table = np.zeros((len(texts), len(one.own_features) - 1))
    distinct = found["word"].unique().to_list()
    place_of = {
        word: places[word] if word in places else len(one.words) + zlib.crc32(word.encode()) % buckets
        for word in distinct
        if word in places or buckets
    }
    if place_of:
        slots = found["word"].replace_strict(
            list(place_of), list(place_of.values()), default=None, return_dtype=pl.Int64
        )
        kept = slots.is_not_null().to_numpy()
        table[found["row"].to_numpy()[kept], slots.drop_nulls().to_numpy()] = 1.0
    return [lengths, *table.T]
