"""How the cells of a column are read: as texts, numbers, truth values, dates or clock times.

A column may come as text, from a CSV file, or typed, from Parquet or a data frame.  Either way the same cells are read
alike: ``7`` and 7 and 7.0 are one category, and ``TRUE`` and True one truth value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from xpmlp.data.messages import quoted
from xpmlp.data.tables.columns import Column, NumberStyle
from xpmlp.errors import DataError

TRUE = ("true", "t", "yes", "y", "on", "1", "1.0")
FALSE = ("false", "f", "no", "n", "off", "0", "0.0")
"""The words for yes and no, in small letters; words in one place of the two belong together."""

SECONDS_PER_DAY = 86_400

MANY = 10_000
"""Texts from which on those that come again and again are cleaned once."""

GAPS = ("#N/A", "#NA", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "<NA>", "NaT", "")
"""Cells that are gaps in any case: what spreadsheets and pandas write where there is no value."""

_SPACES = "\\s\u00a0\u202f\ufeff"
_EDGES = rf"^[{_SPACES}]+|[{_SPACES}]+$"

_BRACKETS = r"^\(([$€£]?[ ]?[0-9][0-9.,]*[ ]?[%€]?)\)$"
_UNITS = ("%", "$", "€", "£")
_SIGN = "[-+\u2212]?"
_EXPONENT = "(?:[eE][-+]?[0-9]+)?"

_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d %b %Y",
          "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%a %b %d %Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y",
          "%d-%b-%y", "%Y-%m")  # fmt: skip
_TIMES = ("", " %H:%M:%S", " %H:%M", " %H:%M:%S%.f", " %I:%M:%S %p", " %I:%M %p")
ISO_FORMATS = tuple(f"%Y-%m-%d{time}" for time in ("", " %H:%M:%S", " %H:%M", " %H:%M:%S%.f"))
"""How dates are read from texts where those of training were typed."""

_LIKE_A_DATE = r"^[A-Za-z]{0,9}[ ,.]{0,2}[0-9]{1,4}[-/. ,]+[0-9A-Za-z]+([-/. ,]+[0-9]{2,4})?\b"
_ZONE = r"(?:[ ]?(?:Z|UTC|GMT)|([-+][0-9]{2}):?([0-9]{2})?)$"
_YEAR_OF = {"%Y": r"(^|[^0-9])[0-9]{4}([^0-9]|$)", "%y": r"[-/.][0-9]{2}([^0-9]|$)"}
_TIME_OF_DAY = r"[ ][0-9]{1,2}:.*$"
_CLOCK = r"^([01]?[0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9])(?:\.[0-9]+)?)?(?:[ ]?([AaPp])\.?[Mm]\.?)?$"


class Reading(NamedTuple):
    """A column's cells as values of one type.

    Attributes
    ----------
    values : (n,)
        With null for a gap.
    unreadable : int
        Cells that are none of the kind, and have become gaps.
    """

    values: pl.Series
    unreadable: int


def as_texts(cells: pl.Series, missing: Sequence[str]) -> pl.Series:
    """Read cells as texts without the blanks around them; null for a gap, and what ``missing`` takes for one."""
    dtype = cells.dtype
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return _without_gaps(cells.cast(pl.String), missing)
    if dtype == pl.Binary:
        texts = [None if one is None else one.decode("utf-8", "backslashreplace") for one in cells.to_list()]
        return _without_gaps(pl.Series(cells.name, texts, dtype=pl.String), missing)
    if dtype.is_float():
        finite = cells.set(cells.is_nan(), None) if cells.is_nan().any() else cells
        whole = finite.cast(pl.Int64, strict=False)
        as_whole = (whole.cast(pl.Float64) == finite.cast(pl.Float64)) & (finite.abs() < 2.0**53)
        return pl.select(pl.when(as_whole).then(whole.cast(pl.String)).otherwise(finite.cast(pl.String))).to_series()
    if dtype == pl.Boolean or dtype.is_integer() or dtype.is_decimal() or dtype == pl.Null or dtype.is_temporal():
        return cells.cast(pl.String)
    raise DataError(_cannot_be_read(cells))


class Distinct(NamedTuple):
    """A column's texts, each once.

    Attributes
    ----------
    values : (n_distinct,) of String
        In the order in which they come first.
    counts : (n_distinct,) int64
    total : int
        Rows, those with a gap among them.
    """

    values: pl.Series
    counts: npt.NDArray[np.int64]
    total: int

    @property
    def present(self) -> int:
        """Rows without a gap."""
        return int(self.counts.sum())

    def rows_where(self, chosen: pl.Series) -> int:
        """Rows of which the text is chosen, (n_distinct,) of Boolean."""
        return int(self.counts[chosen.to_numpy()].sum())

    def where(self, chosen: pl.Series) -> Distinct:
        """The texts that are chosen, (n_distinct,) of Boolean."""
        return Distinct(self.values.filter(chosen), self.counts[chosen.to_numpy()], self.total)


def distinct_texts(cells: pl.Series, missing: Sequence[str]) -> Distinct:
    """Read cells as texts, as `as_texts` does, each of them once: most columns have few."""
    texts = cells if cells.dtype == pl.String else as_texts(cells, missing)
    each = _counted(texts.drop_nulls().to_frame("value").with_columns(count=pl.lit(1, pl.Int64)))
    clean = as_texts(each["value"], missing)
    if clean.null_count() or not (clean == each["value"]).all():
        each = _counted(each.with_columns(value=clean).drop_nulls())
    return Distinct(each["value"].alias(cells.name), each["count"].to_numpy(), len(cells))


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("value", maintain_order=True).agg(pl.col("count").sum())


def as_numbers(cells: pl.Series, style: NumberStyle, missing: Sequence[str]) -> Reading:
    """Read cells as float64; infinities and NaN are gaps."""
    dtype = cells.dtype
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        texts = as_texts(cells, missing)
        numbers = parsed_numbers(texts, style)
        unreadable = numbers.null_count() - texts.null_count()
    elif dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        return Reading(_finite(cells.cast(pl.Float64)), 0)
    elif isinstance(dtype, pl.Duration):
        numbers, unreadable = cells.cast(pl.Duration("us")).to_physical().cast(pl.Float64) / 1e6, 0
    elif dtype.is_temporal():
        return Reading(pl.Series(cells.name, [None] * len(cells), dtype=pl.Float64), len(cells) - cells.null_count())
    else:
        raise DataError(_cannot_be_read(cells))
    return Reading(_finite(numbers).alias(cells.name), unreadable)


def _finite(numbers: pl.Series) -> pl.Series:
    """Numbers with null for those that are infinite or NaN."""
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


def as_dates(cells: pl.Series, column: Column, missing: Sequence[str]) -> Reading:
    """Read cells as points in time: a struct with ``wall``, the time as the column's zone tells it, and ``instant``.

    Both are datetimes in microseconds without a zone.  Times without a zone are taken for those of the column's.
    """
    dtype, unreadable = cells.dtype, 0
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:
            instant = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            wall = cells.dt.convert_time_zone(column.zone or "UTC").dt.replace_time_zone(None)
        else:
            wall = cells.cast(pl.Datetime("us"))
            instant = _to_utc(wall, column.zone)
    elif dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum) or dtype == pl.Null:
        texts = as_texts(cells, missing)
        parsed = parsed_dates(texts, column.date_formats or ISO_FORMATS)
        wall, instant = parsed.struct.field("wall"), parsed.struct.field("instant")
        if column.zone:
            instant = _to_utc(wall, column.zone)
        unreadable = wall.null_count() - texts.null_count()
    else:
        wall = instant = pl.Series(cells.name, [None] * len(cells), dtype=pl.Datetime("us"))
        unreadable = len(cells) - cells.null_count()
    both = pl.DataFrame({"wall": wall.cast(pl.Datetime("us")), "instant": instant.cast(pl.Datetime("us"))})
    return Reading(both.to_struct(cells.name), unreadable)


def as_clock(cells: pl.Series, missing: Sequence[str]) -> Reading:
    """Read cells as hours of the day: of ``14:05``, of a time, or of whole numbers such as 1405."""
    if cells.dtype == pl.Time:
        return Reading(cells.to_physical().cast(pl.Float64) / 3.6e12, 0)
    if isinstance(cells.dtype, pl.Datetime):
        seconds = cells.dt.hour().cast(pl.Float64) + cells.dt.minute().cast(pl.Float64) / 60
        return Reading(seconds, 0)
    texts = as_texts(cells, missing)
    parts = texts.str.extract_groups(_CLOCK)
    hours, minutes, seconds = (parts.struct.field(str(part)).cast(pl.Float64) for part in (1, 2, 3))
    half = parts.struct.field("4").str.to_lowercase()
    of_twelve = hours % 12 + 12 * (half == "p").cast(pl.Float64)
    hours = pl.select(pl.when(half.is_not_null()).then(of_twelve).otherwise(hours)).to_series()
    told = hours + minutes / 60 + seconds.fill_null(0.0) / 3600
    whole = texts.cast(pl.Int64, strict=False)
    valid = whole.is_between(0, 2400) & (whole % 100 < 60)
    counted = pl.select(pl.when(valid).then((whole // 100).cast(pl.Float64) + (whole % 100) / 60)).to_series()
    clock = pl.select(pl.coalesce(told, counted)).to_series().alias(cells.name)
    return Reading(clock, clock.null_count() - texts.null_count())


def parsed_numbers(texts: pl.Series, style: NumberStyle) -> pl.Series:
    """Texts as float64, null where one is no number of this style."""
    texts = _with_plain_signs(texts)
    if style == NumberStyle():
        return texts.cast(pl.Float64, strict=False)
    if style.unit:
        texts = texts.str.replace(rf"^({_SIGN})[ ]?{re.escape(style.unit)}[ ]?|[ ]?{re.escape(style.unit)}$", "$1")
    thousands, decimal = re.escape(style.thousands), re.escape(style.decimal)
    whole = f"(?:[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+|[0-9]+)" if style.thousands else "[0-9]+"
    texts = texts.str.replace_all("[\u00a0\u202f]", " ") if style.thousands == " " else texts
    fits = texts.str.contains(f"^{_SIGN}(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+){_EXPONENT}$")
    if style.thousands:
        texts = texts.str.replace_all(style.thousands, "", literal=True)
    if style.decimal == ",":
        texts = texts.str.replace(",", ".", literal=True)
    numbers = texts.cast(pl.Float64, strict=False)
    return pl.select(pl.when(fits).then(numbers)).to_series()


def number_style(texts: pl.Series, decimal: str | None = None) -> NumberStyle:
    """Find out how most of the texts write numbers.

    Parameters
    ----------
    texts : (n,)
        Without gaps.
    decimal : "." or ",", optional
        That of the file, where it is known.

    Raises
    ------
    DataError
        If decimal points and decimal commas are mixed.
    """
    texts = _with_plain_signs(texts)
    unit: Any = next((unit for unit in _UNITS if _all_with(texts, unit)), "")
    if unit:
        texts = texts.str.replace_all(unit, "", literal=True).str.strip_chars()
    digits = texts.filter(texts.str.contains(rf"^{_SIGN}[0-9][0-9.,' \u00a0\u202f]*$"))
    commas, points = digits.filter(digits.str.contains(",")), digits.filter(digits.str.contains(r"\."))
    space = " " if digits.str.contains(rf"^{_SIGN}[0-9]{{1,3}}([ \u00a0\u202f][0-9]{{3}})+\b").any() else ""
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
    mixed = commas.filter(~commas.str.contains(rf"^{_SIGN}[0-9]{{1,3}}(,[0-9]{{3}})+(\.[0-9]*)?$"))
    if len(points) and len(mixed):
        raise DataError(
            f"column {quoted(texts.name)} has numbers with decimal commas, as {quoted(mixed[0])}, and with decimal "
            f"points, as {quoted(points[0])}: write them alike, or read the column as it is with --types "
            f"{quoted(texts.name + '=category')}"
        )
    return NumberStyle(unit=unit)


def _with_plain_signs(texts: pl.Series) -> pl.Series:
    """Texts with a minus before negative numbers, for a minus of typographers and for the brackets of accountants."""
    if texts.dtype != pl.String:
        return texts
    if texts.str.contains("^\u2212").any():
        texts = texts.str.replace("\u2212", "-", literal=True)
    if texts.str.contains(_BRACKETS).any():
        texts = texts.str.replace(_BRACKETS, "-$1")
    return texts


def parsed_dates(texts: pl.Series, formats: Sequence[str]) -> pl.Series:
    """Texts as a struct of ``wall`` and ``instant``, null where one fits no format."""
    texts = texts.str.replace(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T", "$1 ").str.replace_all(r"[ ]{2,}", " ")
    has_time = texts.str.contains(r"[0-9]:[0-9]{2}")
    if not has_time.any():
        wall = _coalesced([_parsed(texts, one) for one in formats], len(texts))
        return pl.DataFrame({"wall": wall, "instant": wall}).to_struct(texts.name)
    zones = pl.select(pl.when(has_time).then(texts.str.extract_groups(_ZONE))).to_series()
    hours = zones.struct.field("1").cast(pl.Int64, strict=False).fill_null(0)
    minutes = zones.struct.field("2").cast(pl.Int64, strict=False).fill_null(0)
    negative = zones.struct.field("1").str.starts_with("-").fill_null(False)
    offset = hours.abs() * 60 + minutes
    offset = pl.select(pl.when(negative).then(-offset).otherwise(offset)).to_series() * 60_000_000
    plain = pl.select(pl.when(has_time).then(texts.str.replace(_ZONE, "")).otherwise(texts)).to_series()
    wall = _coalesced([_parsed(plain, one) for one in formats], len(texts))
    return pl.DataFrame({"wall": wall, "instant": wall - offset.cast(pl.Duration("us"))}).to_struct(texts.name)


def date_formats(texts: pl.Series) -> tuple[tuple[str, ...], str]:
    """Find the formats of dates that are text, and say if day and month cannot be told apart; no formats if none fit.

    Parameters
    ----------
    texts : (n,)
        Without gaps.
    """
    if texts.is_empty() or not texts.head(100).str.contains(_LIKE_A_DATE).mean() > 0.9:  # type: ignore[operator]
        return (), ""
    sample = texts.unique(maintain_order=True).head(5_000)
    sample = sample.str.replace(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T", "$1 ").str.replace_all(r"[ ]{2,}", " ")
    has_time = sample.str.contains(r"[0-9]:[0-9]{2}")
    sample = pl.select(pl.when(has_time).then(sample.str.replace(_ZONE, "")).otherwise(sample)).to_series()
    times = _TIMES if has_time.any() else ("",)
    formats: tuple[str, ...] = ()
    doubt, rest, shapes = "", sample, set[str]()
    while len(rest) > 0.05 * len(sample):  # of several ways to write dates, one after the other
        best: tuple[str, ...] = ()
        ties, left, few = list[str](), rest, rest.head(20).str.replace(_TIME_OF_DAY, "")
        marks = set("".join(few.to_list()))
        for date in _DATES:
            if (
                _shape(date) in shapes
                or not set(date).intersection("-/.,") <= marks
                or _parsed(few, date).null_count() == len(few)
            ):
                continue
            found = [(date + time, _parsed(rest, date + time)) for time in times]
            found = [(one, parsed) for one, parsed in found if parsed.null_count() < len(parsed)]
            unread = rest.filter(_coalesced([parsed for _, parsed in found], len(rest)).is_null())
            if len(unread) < len(left):
                best, ties, left = tuple(one for one, _ in found), [date], unread
            elif len(unread) == len(left) < len(rest):
                ties.append(date)
        if not best:
            return (), ""
        if {"%m/%d/%Y", "%d/%m/%Y"} <= set(ties) or {"%m-%d-%Y", "%d-%m-%Y"} <= set(ties):
            doubt = "month before day, which the values do not tell"
        formats, rest = formats + best, left
        shapes.add(_shape(ties[0]))
    return formats, doubt


def _shape(date: str) -> str:
    """A format of dates without the order of day and month, of which a column has one alone."""
    return re.sub("%[dm]", "%x", date)


def is_clock(texts: pl.Series) -> bool:
    """Whether texts, without gaps, are times of day such as ``14:05``."""
    return bool(len(texts)) and bool(texts.str.contains(_CLOCK).all())


def words_of(texts: pl.Series) -> pl.Series:
    """The words of each text, in small letters: a list of the runs of letters in it."""
    return texts.str.to_lowercase().str.extract_all(r"\p{L}+")


def looks_true_or_false(words: Iterable[str]) -> bool:
    """Whether two words, in small letters, are a pair for yes and no."""
    pair = set(words)
    return any(pair == {yes, no} for yes, no in zip(TRUE, FALSE, strict=True))


def gap_texts(missing: Sequence[str]) -> set[str]:
    """The texts that are gaps: of ``missing`` in small letters and in capitals, too."""
    return {form for text in missing for form in (text, text.upper(), text.lower())} | set(GAPS)


def _without_gaps(texts: pl.Series, missing: Sequence[str]) -> pl.Series:
    """Texts without the blanks around them, null for empty ones and the markers."""
    if len(texts) < MANY:
        return _cleaned(texts, missing)
    distinct = texts.drop_nulls().unique()
    if len(distinct) > len(texts) / 10:
        return _cleaned(texts, missing)
    clean = _cleaned(distinct, missing)
    same = (clean == distinct).fill_null(False)
    return texts if same.all() else texts.replace(distinct.filter(~same), clean.filter(~same))


def _cleaned(texts: pl.Series, missing: Sequence[str]) -> pl.Series:
    if texts.str.contains(_EDGES).any():
        texts = texts.str.replace_all(_EDGES, "")
    markers = gap_texts(missing)
    if "-" in markers and (texts == "+").any():
        markers.remove("-")
    gap = texts.is_in(sorted(markers))
    return pl.select(pl.when(~gap).then(texts)).to_series().alias(texts.name) if gap.any() else texts


def _all_with(texts: pl.Series, unit: str) -> bool:
    """Whether nearly all texts begin or end with a unit: a per cent beside plain numbers is another quantity."""
    found = texts.str.contains(unit, literal=True)
    if unit == "%":
        return bool(len(texts)) and bool(found.all())
    return bool(found.any()) and bool(texts.filter(found).str.contains(r"[0-9]").all())


def _all_groups(digits: pl.Series, mark: str) -> bool:
    """Whether the marks of all of these stand between groups of three digits."""
    decimals = r"(\.[0-9]*)?" if mark == "," else ""
    return bool(digits.str.contains(rf"^{_SIGN}[0-9]{{1,3}}({mark}[0-9]{{3}})+{decimals}$").all())


def _parsed(texts: pl.Series, one: str) -> pl.Series:
    """Texts as datetimes by one format, with years of four or two digits: ``1.2.3`` is a version, ``2-5`` a range."""
    if one == "%Y-%m":
        texts, one = texts + "-01", "%Y-%m-%d"
    parsed = texts.str.to_datetime(one, time_unit="us", strict=False, exact=True)
    if parsed.null_count() < len(parsed) and ("%y" in one or (parsed.dt.year() < 1000).any()):
        return pl.select(pl.when(texts.str.contains(_YEAR_OF["%y" if "%y" in one else "%Y"])).then(parsed)).to_series()
    return parsed


def _coalesced(parsed: Sequence[pl.Series], length: int) -> pl.Series:
    if not parsed:
        return pl.Series([None] * length, dtype=pl.Datetime("us"))
    return pl.select(pl.coalesce(*parsed)).to_series()


def _to_utc(wall: pl.Series, zone: str) -> pl.Series:
    if not zone:
        return wall
    aware = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _cannot_be_read(cells: pl.Series) -> str:
    return (
        f"column {quoted(cells.name)} holds values of type {cells.dtype}, which cannot be read: drop it, or make "
        "numbers or text of it"
    )
