"""Reading of a column's cells as dates or times of day, typed or in the usual written forms."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from xpmlp.data.tables.cells import Reading, as_texts
from xpmlp.data.tables.columns import Column

SECONDS_PER_DAY = 86_400

_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d %b %Y",
          "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%a %b %d %Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y",
          "%d-%b-%y", "%Y-%m")  # fmt: skip
_TIMES = ("", " %H:%M:%S", " %H:%M", " %H:%M:%S%.f", " %I:%M:%S %p", " %I:%M %p")
ISO_FORMATS = ("%Y-%m-%d",)
"""The formats of dates given as texts where those of training were typed."""

_LIKE_A_DATE = r"^[A-Za-z]{0,9}[ ,.]{0,2}[0-9]{1,4}[-/. ,]+[0-9A-Za-z]+([-/. ,]+[0-9]{2,4})?\b"
_ZONE = r"(?:[ ]?(?:Z|UTC|GMT)|([-+][0-9]{2}):?([0-9]{2})?)$"
_YEAR_OF = {"%Y": r"(^|[^0-9])[0-9]{4}([^0-9]|$)", "%y": r"[-/.][0-9]{2}([^0-9]|$)"}
_TIME_OF_DAY = r"[ ][0-9]{1,2}:.*$"
_CLOCK = r"^([01]?[0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9])(?:\.[0-9]+)?)?(?:[ ]?([AaPp])\.?[Mm]\.?)?$"


def as_dates(cells: pl.Series, column: Column, missing: Sequence[str]) -> Reading:
    """Read cells as points in time: a struct of ``wall``, the local time in the column's zone, and ``instant``, in UTC.

    Both are datetimes in microseconds without a zone.  Times without a zone are taken to be in the column's; the
    others are converted to it, or to UTC if it has none.
    """
    dtype, unreadable = cells.dtype, 0
    wall = told = pl.Series(cells.name, [None] * len(cells), dtype=pl.Datetime("us"))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        told = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))
    elif dtype == pl.Date or isinstance(dtype, pl.Datetime):
        wall = cells.cast(pl.Datetime("us"))
    else:
        texts = as_texts(cells, missing)
        wall, told = parsed_dates(texts, column.date_formats or ISO_FORMATS)
        unreadable = int((wall.is_null() & told.is_null()).sum()) - texts.null_count()
    both = pl.DataFrame({"wall": wall, "instant": _to_utc(wall, column.zone)})
    if told.null_count() < len(told):
        told_here = _in_zone(told, column.zone)
        both = pl.select(wall=pl.coalesce(told_here, both["wall"]), instant=pl.coalesce(told, both["instant"]))
    return Reading(both.to_struct(cells.name), unreadable)


def as_clock(cells: pl.Series, missing: Sequence[str]) -> Reading:
    """Read cells as hours of the day, from ``14:05``, times, or whole numbers such as 1405."""
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


def parsed_dates(texts: pl.Series, formats: Sequence[str]) -> tuple[pl.Series, pl.Series]:
    """Parse texts to local times where no zone is written, and to instants in UTC where one is; null for the others.

    What no format fits may be one of the same dates with a time in any form, or without one.
    """
    plain, has_time = _tidied(texts)
    without = pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("us"))
    times = _TIMES if has_time.any() else ("",)
    dates = (re.split(" %[HI]", one)[0] for one in formats)
    formats = list(dict.fromkeys([*formats, *(date + time for date in dates for time in times)]))
    if not has_time.any():
        return _first_fit(plain, formats), without
    zoned = (has_time & plain.str.contains(_ZONE)).fill_null(False)
    zones = plain.str.extract_groups(_ZONE).struct
    hours, minutes = (zones.field(part).cast(pl.Int64, strict=False).fill_null(0) for part in ("1", "2"))
    sign = 1 - 2 * zones.field("1").str.starts_with("-").fill_null(False).cast(pl.Int64)
    offset = (sign * (hours.abs() * 60 + minutes) * 60_000_000).cast(pl.Duration("us"))
    plain = pl.select(pl.when(zoned).then(plain.str.replace(_ZONE, "")).otherwise(plain)).to_series()
    wall = _first_fit(plain, formats)
    return wall.set(zoned, None), (wall - offset).set(~zoned, None)


def zone_of(texts: pl.Series) -> str:
    """Return the zone for dates written as text: UTC if any has a zone or an offset from UTC, else none."""
    tidy, has_time = _tidied(texts)
    return "UTC" if (has_time & tidy.str.contains(_ZONE)).any() else ""


def _tidied(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Put a single blank between date and time, and tell which texts have a time."""
    tidy = pl.col("text").str.replace(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T", "$1 ").str.replace_all(r"[ ]{2,}", " ")
    frame = texts.to_frame("text").select(tidy, has_time=tidy.str.contains(r"[0-9]:[0-9]{2}"))
    return frame["text"].alias(texts.name), frame["has_time"]


def date_formats(texts: pl.Series) -> tuple[tuple[str, ...], str]:
    """Detect the formats of dates written as text, none if none fit, with a remark.

    The remark, if any, says that there are several notations, or that day and month are ambiguous.

    Parameters
    ----------
    texts : (n,)
        Without missing values.
    """
    if texts.is_empty() or not texts.head(100).str.contains(_LIKE_A_DATE).mean() > 0.9:  # type: ignore[operator]
        return (), ""
    sample, has_time = _tidied(texts.unique(maintain_order=True).head(5_000))
    sample = pl.select(pl.when(has_time).then(sample.str.replace(_ZONE, "")).otherwise(sample)).to_series()
    times = _TIMES if has_time.any() else ("",)
    formats: tuple[str, ...] = ()
    unclear, rest, notations = False, sample, list[str]()
    while len(rest) > 0.05 * len(sample):  # there may be several formats: find one after the other
        best: tuple[str, ...] = ()
        ties, left, few = list[str](), rest, rest.head(20).str.replace(_TIME_OF_DAY, "")
        marks = set("".join(few.to_list()))
        for date in _DATES:
            if (
                _shape(date) in map(_shape, notations)
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
        unclear |= {"%m/%d/%Y", "%d/%m/%Y"} <= set(ties) or {"%m-%d-%Y", "%d-%m-%Y"} <= set(ties)
        formats, rest = formats + best, left
        notations.append(ties[0])
    remarks = ["month before day, which the values do not tell"] if unclear else []
    if len(notations) > 1:
        remarks.append(f"written in several ways: {', '.join(notations)}")
    return formats, "; ".join(remarks)


def _shape(date: str) -> str:
    """Mask day and month in a date format: a column may have only one order of the two."""
    return re.sub("%[dm]", "%x", date)


def is_clock(texts: pl.Series) -> bool:
    """Whether texts, none missing, are times of day such as ``14:05``."""
    return bool(len(texts)) and bool(texts.str.contains(_CLOCK).all())


def _parsed(texts: pl.Series, one: str) -> pl.Series:
    """Parse texts by one format, requiring years of four or two digits: ``1.2.3`` is a version, ``2-5`` a range."""
    if one == "%Y-%m":
        texts, one = texts + "-01", "%Y-%m-%d"
    parsed = texts.str.to_datetime(one, time_unit="us", strict=False, exact=True)
    if parsed.null_count() < len(parsed) and ("%y" in one or (parsed.dt.year() < 1000).any()):
        return pl.select(pl.when(texts.str.contains(_YEAR_OF["%y" if "%y" in one else "%Y"])).then(parsed)).to_series()
    return parsed


def _first_fit(texts: pl.Series, formats: Sequence[str]) -> pl.Series:
    """Parse texts by the first format that fits each, null for those that none fits."""
    found = pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("us"))
    for one in formats:
        if found.null_count() == texts.null_count():
            break
        found = _coalesced([found, _parsed(texts, one)], len(texts))
    return found


def _coalesced(parsed: Sequence[pl.Series], length: int) -> pl.Series:
    if not parsed:
        return pl.Series([None] * length, dtype=pl.Datetime("us"))
    return pl.select(pl.coalesce(*parsed)).to_series()


def _in_zone(instant: pl.Series, zone: str) -> pl.Series:
    return instant.dt.replace_time_zone("UTC").dt.convert_time_zone(zone or "UTC").dt.replace_time_zone(None)


def _to_utc(wall: pl.Series, zone: str) -> pl.Series:
    if not zone:
        return wall
    aware = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
