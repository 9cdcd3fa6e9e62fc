"""Inference of the kind of each column of a table, by rules that are reported."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from xpmlp.data.labels import MISSING
from xpmlp.data.messages import did_you_mean, listed, percent, quoted
from xpmlp.data.tables.cells import (
    LIKE_A_NUMBER,
    Distinct,
    as_numbers,
    as_texts,
    as_truths,
    cannot_be_read,
    distinct_texts,
    looks_true_or_false,
    number_style,
    parsed_numbers,
    plain_numbers,
    shown_values,
    with_plain_signs,
    words_of,
)
from xpmlp.data.tables.columns import MAX_COLUMNS, Column, Kind, NumberStyle, Override, Schema, parse_types
from xpmlp.data.tables.dates import as_clock, as_dates, date_formats, is_clock, parsed_dates, zone_of
from xpmlp.data.tables.frames import as_frame, columns_of
from xpmlp.errors import DataError

FEW = 20
"""Number of distinct values up to which words are always a category, and a whole-number target is classes."""

RARE = 5
"""A category seen less often than this is rare; a word seen at least this often recurs."""

ODD_SHARE = 0.05
"""The largest share of a column's values that may be unreadable as numbers or dates, and become missing."""

MAX_ODD = 10
"""Maximum number of distinct values among those."""

COMMON = 0.95
"""The share of rows above which a word is uninformative, as the letter in r1, r2, r3."""

RECURRING = 0.2
"""The share of a column's rows with recurring words from which it is text; below, it is an id."""

TOO_LONG = "whole numbers of more digits than a number keeps apart"

_ID_NAME = re.compile(
    r"(?:^|[_. -])(?:[pu]?id|ids|uuid|guid|key|index|row|rownames?|serial|no|nr)$|[a-z](?:ID|Id)$|^[PU]?I[Dd]$|_ID$"
    r"|^__index_level_[0-9]+__$|^Unnamed: 0(?:[._]|$)"
)


_OTHER_DIGITS = r"^[-+]?[\p{Nd}--0-9]"


class _Found(NamedTuple):
    """The result of a rule; see `Column`."""

    kind: Kind
    why: str
    style: NumberStyle = NumberStyle()
    date_formats: tuple[str, ...] = ()
    zone: str = ""
    note: str = ""


def infer_schema(
    frame: Any,
    target: str | Sequence[str] | None = None,
    *,
    types: str | Mapping[str, str] | None = None,
    missing: Sequence[str] = MISSING,
    decimal: str | None = None,
    leave_out: Collection[str] = (),
) -> Schema:
    """Infer the kind of each column, with the reason.

    Parameters
    ----------
    frame : data frame
        Of pandas, polars, pyarrow or any library supported by narwhals; or a mapping of columns.
    target : str or sequence of str, optional
        Columns that are not features.
    types : str or mapping, optional
        Kinds that override the inferred ones: ``"zip=category, size=small<medium<large"``.
    missing : sequence of str
        The texts that mean a missing value.
    decimal : "." or ",", optional
        The file's decimal sign, where known: it decides the meaning of ``1,000``.
    leave_out : collection of str
        Further columns that are not features.

    Raises
    ------
    DataError
        If the frame cannot be read, has no column ``target``, or mixes decimal points and commas within a column.

    Examples
    --------
    >>> schema = infer_schema({"age": [22, 38, 26], "sex": ["m", "f", "f"], "y": [0, 1, 1]}, target="y")
    >>> [(column.name, column.kind) for column in schema.columns]
    [('age', 'number'), ('sex', 'category')]
    """
    given = as_frame(frame)
    targets = () if target is None else (target,) if isinstance(target, str) else tuple(target)
    for name in targets:
        if name not in given.data.columns:
            raise DataError(f"there is no column {quoted(name)} for the target{did_you_mean(name, given.data.columns)}")
    names = [name for name in given.data.columns if name not in targets and name not in leave_out]
    if len(names) > MAX_COLUMNS:
        raise DataError(
            f"the table has {len(names):,} columns, and at most {MAX_COLUMNS:,} can be learned from: drop some"
        )
    overrides = {name: Override.of_order(name, _levels(order, missing)) for name, order in given.orders.items()}
    overrides |= parse_types(types, names)
    cells = columns_of(given.data)
    columns = [infer_column(cells[name], overrides.get(name), missing, decimal) for name in names]
    return Schema(columns=tuple(columns), rows=given.data.height, missing=tuple(missing))


def infer_column(
    cells: pl.Series, override: Override | None, missing: Sequence[str], decimal: str | None = None
) -> Column:
    """Infer the kind of one column, or describe it as the kind set by the user."""
    if override is None and decimal != ",":
        cells = _typed(cells, missing)
    texts = distinct_texts(cells, missing) if cells.dtype == pl.String else None
    if override is not None:
        found = _as_told(cells, override, missing, decimal)
    elif texts is not None:
        found = _of_texts(texts, cells, decimal)
    else:
        found = _of_typed(cells, missing)
    return _column(cells, texts, found, override.order if override else (), missing)


def _levels(order: Sequence[str], missing: Sequence[str]) -> tuple[str, ...]:
    """Read an order's categories as cells are read: without outer blanks and missing values, equal ones once."""
    return tuple(dict.fromkeys(as_texts(pl.Series(order, dtype=pl.String), missing).drop_nulls()))


def _typed(cells: pl.Series, missing: Sequence[str]) -> pl.Series:
    """Convert texts that are all plain numbers, if only their values matter for the kind; else return the cells."""
    numbers = plain_numbers(cells, missing)
    if numbers is None or numbers.null_count() == len(numbers):
        return cells
    values = numbers.drop_nulls().to_numpy()
    size = np.abs(values).max()
    if not size < 2.0**53 or values.min() == values.max():
        return cells
    whole = bool((np.floor(values) == values).all())
    return cells if whole and cells.str.contains("^0[0-9]").any() else numbers


def _column(
    cells: pl.Series, texts: Distinct | None, found: _Found, order: tuple[str, ...], missing: Sequence[str]
) -> Column:
    """Describe a column of the kind found: count its missing and distinct values."""
    note = found.note
    column = Column(name=cells.name, order=order, **found._replace(note="")._asdict())
    values, unreadable = read_cells(cells if texts is None else texts.values, column, missing)
    gaps, counts = values.null_count(), None
    if texts is not None:
        unreadable = texts.rows_where(values.is_null())
        gaps = texts.total - texts.present + unreadable
        counts = texts.counts[values.is_not_null().to_numpy()]
    present = values.drop_nulls() if values.null_count() else values
    odd = f"{unreadable:,} unreadable values are read as missing" if unreadable and not note else ""
    if order:
        unknown = present.filter(~present.is_in(list(order))).unique()
        if len(unknown):
            odd = f"{listed(sorted(unknown.to_list()), 3)} not in the order, read as missing"
    return column.model_copy(
        update={
            "missing": gaps,
            "distinct": present.n_unique(),
            "shown": shown_values(present, counts, column.kind),
            "note": "; ".join(part for part in (note, odd) if part),
        }
    )


def read_cells(cells: pl.Series, column: Column, missing: Sequence[str]) -> tuple[pl.Series, int]:
    """Read a column's cells as values of its kind, null for missing ones, and count the unreadable cells."""
    if column.kind == "number":
        return as_numbers(cells, column.style, missing)
    if column.kind == "truth":
        return as_truths(cells, missing)
    if column.kind == "date":
        both, unreadable = as_dates(cells, column, missing)
        return both.struct.field("wall"), unreadable
    if column.kind == "clock":
        return as_clock(cells, missing)
    return as_texts(cells, missing), 0


def _as_told(cells: pl.Series, override: Override, missing: Sequence[str], decimal: str | None) -> _Found:
    """Return the kind set by the user, with the style of its cells."""
    why, kind = "set", override.kind
    if cells.dtype != pl.String:
        zone = (cells.dtype.time_zone or "") if isinstance(cells.dtype, pl.Datetime) else ""
        return _Found(kind, why, zone=zone)
    texts = as_texts(cells, missing).drop_nulls()
    if kind == "number":
        return _Found(kind, why, style=number_style(texts, decimal))
    if kind == "date":
        formats, doubt = date_formats(texts)
        if not formats:
            raise DataError(f"types: column {quoted(cells.name)} has no dates of a known form, as {quoted(texts[0])}")
        return _Found(kind, why, date_formats=formats, zone=zone_of(texts), note=doubt)
    return _Found(kind, why)


def _of_typed(cells: pl.Series, missing: Sequence[str]) -> _Found:
    """Infer the kind of a column with a type of its own."""
    dtype = cells.dtype
    values = cells.drop_nulls() if cells.null_count() else cells
    if dtype.is_float() and values.is_nan().any():
        values = values.drop_nans()
    if dtype == pl.Null or values.is_empty():
        return _Found("constant", "it has no value")
    if (dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean) and values.min() == values.max():
        return _of_one_value(len(values) < len(cells))
    if dtype == pl.Boolean:
        return _Found("truth", "true and false")
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return _of_words(distinct_texts(cells, missing), told="stored as categories")
    if dtype == pl.Binary:
        return _of_texts(distinct_texts(cells, missing), cells, None)
    if dtype == pl.Time:
        return _Found("clock", "times of day")
    if isinstance(dtype, pl.Duration):
        return _Found("number", "lengths of time, in seconds")
    if dtype.is_temporal():
        zone = (dtype.time_zone or "") if isinstance(dtype, pl.Datetime) else ""
        return _Found("date", f"dates and times of {zone}" if zone else "dates", zone=zone)
    if dtype.is_numeric():
        if not dtype.is_float() and _are_too_long(values, values.cast(pl.Float64)):
            return _of_words(distinct_texts(cells, missing), told=TOO_LONG)
        return _of_numbers(values.cast(pl.Float64).to_numpy(), None, cells)
    raise DataError(cannot_be_read(cells))


def _of_one_value(has_gaps: bool) -> _Found:
    return _Found("category", "one value, and missing ones") if has_gaps else _Found("constant", "it has one value")


def _of_numbers(
    numbers: npt.NDArray[np.float64], counts: npt.NDArray[np.int64] | None, cells: pl.Series, why: str = "numbers"
) -> _Found:
    """Infer the kind of a column of numbers: a quantity, a truth value of 0 and 1, or an id of rows or things.

    Parameters
    ----------
    numbers : (n,)
        Without missing values.
    counts : (n,), optional
        The number of rows with each.
    cells : pl.Series
        The whole column, with missing values.
    """
    if ((numbers == 0) | (numbers == 1)).all():
        return _Found("truth", "0 and 1")
    if (np.floor(numbers) == numbers).all():
        n = len(numbers) if counts is None else int(counts.sum())
        ends = len(numbers) == n == len(cells) and n >= FEW and numbers.max() - numbers.min() < 4 * n
        if ends and _all_in_order(numbers):
            return _Found("id", "whole numbers that count the rows")
        if _ID_NAME.search(cells.name):
            ones = np.ones(len(numbers), np.int64) if counts is None else counts
            times = pl.DataFrame({"number": numbers, "count": ones}).group_by("number").sum()["count"]
            if len(times) == n and n >= FEW:
                return _Found("id", "whole numbers by the name of an id, each once")
            if len(times) > FEW and times.filter(times < RARE).sum() > n / 2:
                return _Found("id", "whole numbers by the name of an id, most of them rare")
    return _Found("number", why)


def _all_in_order(numbers: npt.NDArray[np.float64]) -> bool:
    """Whether the numbers are strictly increasing or strictly decreasing."""
    steps = np.diff(numbers)
    return bool((steps > 0).all() or (steps < 0).all())


def _are_too_long(values: pl.Series, numbers: pl.Series) -> bool:
    """Whether distinct whole numbers, typed or as texts, coincide as float64: such numbers identify things."""
    if not (numbers.abs() >= 2.0**53).any():
        return False
    plain = values.dtype != pl.String or values.str.contains(r"^[-+]?[0-9]+$").all()
    return bool(plain) and numbers.n_unique() < values.n_unique()


def _of_texts(texts: Distinct, cells: pl.Series, decimal: str | None) -> _Found:
    """Infer the kind of a column of texts."""
    values = texts.values
    if values.is_empty():
        return _Found("constant", "it has no value")
    if len(values) == 1:
        return _of_one_value(texts.present < texts.total)
    if len(values) <= FEW and looks_true_or_false(values.str.to_lowercase()):
        return _Found("truth", f"{' and '.join(sorted(values.to_list())[:2])}")
    if values.str.contains(r"^[0-9]+$").all() and values.str.contains(r"^0[0-9]").any():
        return _of_words(texts, told="digits that begin with zeros")
    found = _numbers_as_text(texts, cells, decimal) or _dates_as_text(texts) or _of_words(texts)
    if texts.rows_where(values.str.contains(_OTHER_DIGITS)) > texts.present / 2:
        return found._replace(why="digits of another script, which are no numbers here: write them as 0 to 9")
    return (_numbers_with_a_unit(texts, cells, decimal) or found) if found.kind in ("id", "text") else found


def _numbers_as_text(texts: Distinct, cells: pl.Series, decimal: str | None) -> _Found | None:
    values, rows = texts.values, texts.present
    style, numbers = NumberStyle(), parsed_numbers(values, NumberStyle())
    if numbers.null_count() or decimal == ",":
        alike = with_plain_signs(values).str.contains(LIKE_A_NUMBER)
        if texts.rows_where(alike) < (1 - ODD_SHARE) * rows and rows >= FEW:
            return None
        style = number_style(values, decimal)
        numbers = parsed_numbers(values, style)
    if _are_too_long(values, numbers):
        return _of_words(texts, told=TOO_LONG)
    odd = texts.where(numbers.is_null())
    if odd.present > ODD_SHARE * rows or len(odd.values) > MAX_ODD:
        return None
    spelt = odd.where(odd.values.str.contains(r"[\p{L}0-9]"))
    if len(values) <= FEW and (spelt.counts >= RARE).any():  # "3+" among 0, 1, 2 is a category as the others are
        return None
    counts = texts.where(numbers.is_not_null()).counts
    found = _of_numbers(numbers.drop_nulls().to_numpy(), counts, cells, f"numbers {style.describe()}".strip())
    note = ""
    if len(odd.values):
        note = f"{listed(sorted(odd.values.to_list()), 3)}, no numbers, are read as missing ({odd.present:,})"
    return found._replace(style=style, note=note)


def _numbers_with_a_unit(texts: Distinct, cells: pl.Series, decimal: str | None) -> _Found | None:
    """Recognise numbers all followed by the same word, as ``3.5 kg``."""
    parts = with_plain_signs(texts.values).str.extract_groups(r"^([-+]?[0-9][0-9., ']*?)[ ]?([\p{L}°/²³]{1,8})$")
    plain, units = parts.struct.field("1"), parts.struct.field("2")
    if plain.null_count() or units.n_unique() > 1:
        return None
    style = number_style(plain, decimal).model_copy(update={"unit": units[0]})
    numbers = parsed_numbers(texts.values, style)
    if numbers.null_count():
        return None
    return _of_numbers(numbers.to_numpy(), texts.counts, cells, f"numbers {style.describe()}")._replace(style=style)


def _dates_as_text(texts: Distinct) -> _Found | None:
    if is_clock(texts.values):
        return _Found("clock", "times of day")
    formats, doubt = date_formats(texts.values)
    if not formats:
        return None
    wall, told = parsed_dates(texts.values, formats)
    odd = texts.where(wall.is_null() & told.is_null())
    if odd.present > ODD_SHARE * texts.present:
        return None
    notes = [doubt] if doubt else []
    if len(odd.values):
        notes.append(f"{listed(sorted(odd.values.to_list()), 3)}, no dates, are read as missing ({odd.present:,})")
    zone = zone_of(texts.values)
    why = f"dates as text, {formats[0]}" + f", in {zone}" * bool(zone)
    return _Found("date", why, date_formats=formats, zone=zone, note="; ".join(notes))


def _of_words(texts: Distinct, told: str = "") -> _Found:
    """Infer a category; or, if most rows have rare values, text, or an id if no words recur."""
    distinct, rows, counts = len(texts.values), texts.present, texts.counts
    rare = int(counts[counts < RARE].sum())
    if distinct == 1:
        return _of_one_value(rows < texts.total)
    if distinct <= FEW or rare <= rows / 2:
        return _Found("category", told or "words that recur")
    words = pl.DataFrame({"row": np.arange(distinct), "count": counts, "word": words_of(texts.values)}).explode("word")
    words = words.drop_nulls().unique()
    recurring = words.filter(pl.col("count").sum().over("word").is_between(RARE, COMMON * rows))
    share = recurring.unique("row")["count"].sum() / rows
    seldom = f"{percent(rare / rows)} of the rows have a value seen under {RARE} times"
    if share >= RECURRING:
        return _Found("text", f"{seldom}; its words recur")
    if rows < texts.total:
        return _Found("text", f"{seldom}, but a missing value may mean something")
    return _Found("id", f"{seldom}, without words that recur")
