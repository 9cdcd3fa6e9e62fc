"""Reading of a column's cells as texts, numbers or truth values.

A column may be text, from a CSV file, or typed, from Parquet or a data frame.  Both are read alike: ``7`` and 7 and
7.0 are one category, and ``TRUE`` and True one truth value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from xpmlp.data.messages import percent, quoted
from xpmlp.data.tables.columns import Kind, NumberStyle
from xpmlp.errors import DataError

TRUE = ("true", "t", "yes", "y", "on", "1", "1.0")
FALSE = ("false", "f", "no", "n", "off", "0", "0.0")
"""The words for yes and no, in lower case; words at the same position form a pair."""


MANY = 10_000
"""Minimum number of texts for which repeated ones are cleaned only once."""

GAPS = ("#N/A", "#NA", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "<NA>", "NaT", "")
"""Cells that always mean a missing value, as written by spreadsheets and pandas."""

_SPACES = "\\s\u00a0\u202f\ufeff"
_EDGES = rf"^[{_SPACES}]+|[{_SPACES}]+$"

CURRENCIES = "$€£¥₹₽₩₺₫₴₪฿"
"""Signs of currencies, which may stand on either side of a number."""

_UNITS = ("%", *CURRENCIES)
_BRACKETS = rf"^\(([{CURRENCIES}]?[ ]?[0-9][0-9.,' ]*[%{CURRENCIES}]?)\)$"
_OTHER_BLANKS = "[\u00a0\u2009\u202f]"
_SIGN = "[-+\u2212]?"
_EXPONENT = "(?:[eE][-+]?[0-9]+)?"

LIKE_A_NUMBER = rf"^[(]?{_SIGN}[ ]?[%{CURRENCIES}]?[ ]?{_SIGN}[.,]?[0-9][0-9.,' ]*{_EXPONENT}[ ]?[%{CURRENCIES}]?[)]?$"
"""The pattern of texts, with plain signs and blanks, that may be numbers in some style."""


class Reading(NamedTuple):
    """A column's cells as values of one type.

    Attributes
    ----------
    values : (n,)
        Null for missing values.
    unreadable : int
        The number of cells not of the kind, taken for missing values.
    """

    values: pl.Series
    unreadable: int


def as_texts(cells: pl.Series, missing: Sequence[str], *, plus: bool | None = None) -> pl.Series:
    """Read cells as texts stripped of blanks; null for missing values, including the texts in ``missing``.

    Beside a plus, a dash is no missing value.  ``plus`` says whether the column has one in training, on which each cell
    alone then depends; by default it is looked for in the cells.
    """
    dtype = cells.dtype
    if dtype in (pl.String, pl.Binary) or isinstance(dtype, pl.Categorical | pl.Enum):
        return _without_gaps(cast_to_texts(cells), missing, plus)
    if dtype.is_float():
        finite = cells.set(cells.is_nan(), None) if cells.is_nan().any() else cells
        whole = finite.cast(pl.Int64, strict=False)
        as_whole = (whole.cast(pl.Float64) == finite.cast(pl.Float64)) & (finite.abs() < 2.0**53)
        return pl.select(pl.when(as_whole).then(whole.cast(pl.String)).otherwise(finite.cast(pl.String))).to_series()
    return cast_to_texts(cells)


def cast_to_texts(cells: pl.Series) -> pl.Series:
    """Cast cells of any readable type to texts as they are; a length of time to that of ISO 8601, such as PT1H.

    Raises
    ------
    DataError
        If the type cannot be read.
    """
    dtype = cells.dtype
    if dtype == pl.Binary:
        texts = [None if one is None else one.decode("utf-8", "backslashreplace") for one in cells.to_list()]
        return pl.Series(cells.name, texts, dtype=pl.String)
    if isinstance(dtype, pl.Duration):
        return cells.dt.to_string("iso")
    plain = dtype in (pl.String, pl.Boolean, pl.Null) or isinstance(dtype, pl.Categorical | pl.Enum)
    if plain or dtype.is_numeric() or dtype.is_temporal():
        return cells.cast(pl.String)
    raise DataError(cannot_be_read(cells))


class Distinct(NamedTuple):
    """The distinct texts of a column.

    Attributes
    ----------
    values : (n_distinct,) of String
        In order of first appearance.
    counts : (n_distinct,) int64
    total : int
        The number of rows, those with missing values included.
    """

    values: pl.Series
    counts: npt.NDArray[np.int64]
    total: int

    @property
    def present(self) -> int:
        """The number of rows that have a value."""
        return int(self.counts.sum())

    def rows_where(self, chosen: pl.Series) -> int:
        """Count the rows of the chosen texts; ``chosen`` is (n_distinct,) of Boolean."""
        return int(self.counts[chosen.to_numpy()].sum())

    def where(self, chosen: pl.Series) -> Distinct:
        """Select the chosen texts; ``chosen`` is (n_distinct,) of Boolean."""
        return Distinct(self.values.filter(chosen), self.counts[chosen.to_numpy()], self.total)


def distinct_texts(cells: pl.Series, missing: Sequence[str]) -> Distinct:
    """Read the distinct cells as texts, as `as_texts` does: most columns have few."""
    texts = cells if cells.dtype == pl.String else as_texts(cells, missing)
    each = _counted(texts.drop_nulls().to_frame("value").with_columns(count=pl.lit(1, pl.Int64)))
    clean = as_texts(each["value"], missing)
    if clean.null_count() or not (clean == each["value"]).all():
        each = _counted(each.with_columns(value=clean).drop_nulls())
    return Distinct(each["value"].alias(cells.name), each["count"].to_numpy(), len(cells))


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("value", maintain_order=True).agg(pl.col("count").sum())


def as_numbers(cells: pl.Series, style: NumberStyle, missing: Sequence[str]) -> Reading:
    """Read cells as float64; NaN becomes a missing value, infinities are unreadable."""
    dtype = cells.dtype
    if dtype in (pl.String, pl.Binary) or isinstance(dtype, pl.Categorical | pl.Enum):
        if style == NumberStyle() and (plain := plain_numbers(cells, missing)) is not None:
            return Reading(_finite(plain), 0)
        texts = as_texts(cells, missing)
        numbers = parsed_numbers(texts, style)
        unreadable = numbers.null_count() - texts.null_count()
    elif dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        numbers = cells.cast(pl.Float64)
        unreadable = int(numbers.is_infinite().sum())
    elif isinstance(dtype, pl.Duration):
        numbers, unreadable = cells.cast(pl.Duration("us")).to_physical().cast(pl.Float64) / 1e6, 0
    elif dtype.is_temporal():
        return Reading(pl.Series(cells.name, [None] * len(cells), dtype=pl.Float64), len(cells) - cells.null_count())
    else:
        raise DataError(cannot_be_read(cells))
    return Reading(_finite(numbers).alias(cells.name), unreadable)


def plain_numbers(cells: pl.Series, missing: Sequence[str]) -> pl.Series | None:
    """Convert texts to float64 if all but nulls are plain numbers, else return None; a shortcut for most columns."""
    if cells.dtype != pl.String or _markers(tuple(missing)).numeric:
        return None
    numbers = _parsed(cells)
    return numbers if numbers.null_count() == cells.null_count() else None


def _parsed(texts: pl.Series) -> pl.Series:
    """Convert plain numbers to float64, NaN included, with null for other texts, and for numbers out of its range."""
    numbers = texts.cast(pl.Float64, strict=False)
    infinite = numbers.is_infinite()
    return numbers.set(infinite, None) if infinite.any() else numbers


def _finite(numbers: pl.Series) -> pl.Series:
    """Replace infinities and NaN with null."""
    values = numbers.to_numpy()
    if np.isfinite(values).all():
        return numbers
    return pl.Series(numbers.name, np.where(np.isfinite(values), values, np.nan), nan_to_null=True)


def as_truths(cells: pl.Series, missing: Sequence[str]) -> Reading:
    """Read cells as truth values."""
    if cells.dtype == pl.Boolean:
        return Reading(cells, 0)
    if cells.dtype.is_numeric():
        values = cells.cast(pl.Float64).to_numpy()
        neither = (values != 0.0) & (values != 1.0)
        truths = pl.Series(cells.name, values == 1.0)
        truths = truths.set(pl.Series(neither), None) if neither.any() else truths
        return Reading(truths, int((neither & ~np.isnan(values)).sum()))
    texts = as_texts(cells, missing).str.to_lowercase()
    truths = texts.replace_strict({**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}, default=None,
                                  return_dtype=pl.Boolean)  # fmt: skip
    return Reading(truths, truths.null_count() - texts.null_count())


def parsed_numbers(texts: pl.Series, style: NumberStyle) -> pl.Series:
    """Convert texts to float64, with null for those that are not numbers of this style."""
    texts = with_plain_signs(texts)
    if style == NumberStyle():
        return _parsed(texts)
    if style.unit:
        texts = texts.str.replace(rf"^({_SIGN})[ ]?{re.escape(style.unit)}[ ]?|[ ]?{re.escape(style.unit)}$", "$1")
    thousands, decimal = re.escape(style.thousands), re.escape(style.decimal)
    whole = f"(?:{_grouped(thousands)}|[0-9]+)" if style.thousands else "[0-9]+"
    fits = texts.str.contains(f"^{_SIGN}(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+){_EXPONENT}$")
    if style.thousands:
        texts = texts.str.replace_all(style.thousands, "", literal=True)
    if style.decimal == ",":
        texts = texts.str.replace(",", ".", literal=True)
    numbers = _parsed(texts)
    return pl.select(pl.when(fits).then(numbers)).to_series()


def number_style(texts: pl.Series, decimal: str | None = None) -> NumberStyle:
    """Detect the style in which most of the texts write numbers.

    Parameters
    ----------
    texts : (n,)
        Without missing values.
    decimal : "." or ",", optional
        The decimal sign of the file, where known.

    Raises
    ------
    DataError
        If decimal points and decimal commas are mixed.
    """
    texts = with_plain_signs(texts)
    unit: Any = next((unit for unit in _UNITS if _all_with(texts, unit)), "")
    if unit:
        texts = texts.str.replace_all(unit, "", literal=True).str.strip_chars()
    digits = texts.filter(texts.str.contains(rf"^{_SIGN}[0-9][0-9.,' ]*$"))
    commas, points = digits.filter(digits.str.contains(",")), digits.filter(digits.str.contains(r"\."))
    space = " " if digits.str.contains(rf"^{_SIGN}[0-9]{{1,3}}( [0-9]{{3}})+\b").any() else ""
    apostrophe = "'" if digits.str.contains(rf"^{_SIGN}[0-9]{{1,3}}('[0-9]{{3}})+\b").any() else ""
    other: Any = space or apostrophe
    if commas.is_empty():
        groups = _all_groups(points, r"\.") and not points.is_empty()
        if groups and (decimal == "," or digits.str.count_matches(r"\.").max() != 1):
            return NumberStyle(decimal=",", thousands=".", unit=unit)
        return NumberStyle(thousands=other, unit=unit)
    in_groups = _all_groups(commas, ",")
    if in_groups and decimal != ",":
        return NumberStyle(thousands=",", unit=unit)
    group_points = _all_groups(points.str.replace(r",[0-9]*$", ""), r"\.")
    if (commas.str.count_matches(",") == 1).all() and (points.is_empty() or group_points):
        return NumberStyle(decimal=",", thousands="." if len(points) else other, unit=unit)
    mixed = commas.filter(~commas.str.contains(rf"^{_SIGN}{_grouped(',')}(\.[0-9]*)?$"))
    if len(points) and len(mixed):
        raise DataError(
            f"column {quoted(texts.name)} has numbers with decimal commas, as {quoted(mixed[0])}, and with decimal "
            f"points, as {quoted(points[0])}: write them alike, or read the column as it is with --types "
            f"{quoted(texts.name + '=category')}"
        )
    return NumberStyle(unit=unit)


def with_plain_signs(texts: pl.Series) -> pl.Series:
    """Write negative numbers with a plain minus, in place of the typographic one or accountants' brackets, and blanks.

    A blank may be narrow, or one at which no line is broken.
    """
    if texts.dtype != pl.String:
        return texts
    if texts.str.contains(_OTHER_BLANKS).any():
        texts = texts.str.replace_all(_OTHER_BLANKS, " ")
    if texts.str.contains("^\u2212").any():
        texts = texts.str.replace("\u2212", "-", literal=True)
    if texts.str.contains(_BRACKETS).any():
        texts = texts.str.replace(_BRACKETS, "-$1")
    return texts


def words_of(texts: pl.Series) -> pl.Series:
    """Return the words of each text: a list of its runs of letters, each by itself in lower case.

    An İ is an i and a dot, which is a mark and no letter: after it a word ends.  A word's last Σ is ς.
    """
    runs = texts.str.replace_all("İ", "i\u0307", literal=True).str.extract_all(r"\p{L}+")
    return runs.list.eval(pl.element().str.to_lowercase())


def looks_true_or_false(words: Iterable[str]) -> bool:
    """Whether two words, in lower case, are a pair for yes and no."""
    pair = set(words)
    return any(pair == {yes, no} for yes, no in zip(TRUE, FALSE, strict=True))


def gap_texts(missing: Sequence[str]) -> set[str]:
    """Return the texts that mean a missing value, those of ``missing`` also in lower and in upper case."""
    return {form for text in missing for form in (text, text.upper(), text.lower())} | set(GAPS)


class _Markers(NamedTuple):
    """Missing-value texts; the same without the dash, for columns with a plus; and whether one of them is a number."""

    texts: list[str]
    beside_plus: list[str]
    numeric: bool


@lru_cache(maxsize=16)
def _markers(missing: tuple[str, ...]) -> _Markers:
    texts = gap_texts(missing)
    numeric = _finite(pl.Series(sorted(texts)).cast(pl.Float64, strict=False)).null_count() < len(texts)
    return _Markers(sorted(texts), sorted(texts - {"-"}), numeric)


def _without_gaps(texts: pl.Series, missing: Sequence[str], plus: bool | None) -> pl.Series:
    """Strip texts of blanks, with null for empty texts and the missing-value markers."""
    if len(texts) < MANY:
        return _cleaned(texts, missing, plus)
    distinct = texts.drop_nulls().unique()
    if len(distinct) > len(texts) / 10:
        return _cleaned(texts, missing, plus)
    clean = _cleaned(distinct, missing, plus)
    same = (clean == distinct).fill_null(False)
    return texts if same.all() else texts.replace(distinct.filter(~same), clean.filter(~same))


def _cleaned(texts: pl.Series, missing: Sequence[str], plus: bool | None) -> pl.Series:
    markers, text = _markers(tuple(missing)), pl.col("text")
    frame = texts.to_frame("text")
    edges, gaps = frame.select(
        edges=text.str.contains(_EDGES).any(), gaps=text.is_in(markers.texts).any()
    ).row(0)  # most columns have neither, and one look is cheap  # fmt: skip
    if edges:
        texts = texts.str.replace_all(_EDGES, "")
    if edges or gaps:
        plus = bool((texts == "+").any()) if plus is None else plus
        gap = texts.is_in(markers.beside_plus if plus else markers.texts)
        texts = pl.select(pl.when(~gap).then(texts)).to_series().alias(texts.name)
    return texts


def _all_with(texts: pl.Series, unit: str) -> bool:
    """Whether texts carry a unit: a currency sign in some, or % in all, as plain numbers differ from percentages."""
    found = texts.str.contains(unit, literal=True)
    if unit == "%":
        return bool(len(texts)) and bool(found.all())
    return bool(found.any()) and bool(texts.filter(found).str.contains(r"[0-9]").all())


def _all_groups(digits: pl.Series, mark: str) -> bool:
    """Whether in all of the texts the marks separate groups of digits."""
    decimals = r"(\.[0-9]*)?" if mark == "," else ""
    return bool(digits.str.contains(rf"^{_SIGN}{_grouped(mark)}{decimals}$").all())


def _grouped(mark: str) -> str:
    """Return the pattern of digits in groups of three, and between commas also as in India, ``1,00,00,000``."""
    indian = "|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}" if mark == "," else ""
    return f"(?:[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+{indian})"


def cannot_be_read(cells: pl.Series) -> str:
    """Return the message for a column of an unreadable type."""
    return (
        f"column {quoted(cells.name)} holds values of type {cells.dtype}, which cannot be read: drop it, or make "
        "numbers or text of it"
    )


def shown_values(values: pl.Series, counts: npt.NDArray[np.int64] | None, kind: Kind) -> str:
    """Describe non-missing values by their range or the commonest ones; ``counts`` may give the rows of each."""
    if values.is_empty():
        return ""
    if kind == "date":
        moments = values.to_physical()
        ends = pl.Series([moments.min(), moments.max()]).cast(pl.Datetime("us"))  # which Python's dates may not reach
        return " to ".join(text.removesuffix(" 00:00") for text in ends.dt.strftime("%Y-%m-%d %H:%M").to_list())
    if kind in ("number", "clock"):
        low: Any = values.min()
        high: Any = values.max()
        return f"{low:.6g} to {high:.6g}"
    times = np.ones(len(values), np.int64) if counts is None else counts
    if kind == "truth":
        return f"true {percent(times[values.to_numpy()].sum() / times.sum())}"
    few = pl.DataFrame({"value": values, "count": times}).group_by("value", maintain_order=True).sum()
    few = few.sort("count", descending=True, maintain_order=True).head(1 if kind == "text" else 3)
    return ", ".join(f"{str(value)[:40]} {percent(count / times.sum())}" for value, count in few.iter_rows())
