"""Time zones as tables: the offsets of their clocks from UTC, and when they change."""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo

from xpmlp.data.messages import quoted
from xpmlp.export.tree import NotExportableError

FIRST, LAST = dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
"""Range in which the tables contain every change; before and after it, clocks are as at its ends."""

STEP = 7 * 86_400
"""Seconds within which clocks change at most once."""


def zone_offsets(name: str) -> tuple[list[float], list[float]]:
    """Return the last moments before a zone's clocks change, in seconds since 1970, and the offsets around them.

    Returns
    -------
    edges : list of float
    offsets : list of float
        In seconds, one more than there are edges.

    Raises
    ------
    NotExportableError
        If the zone is not known here.
    """
    try:
        zone = zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise NotExportableError(
            f"the time zone {quoted(name)} is not known here: `pip install tzdata` has all of them"
        ) from None

    def offset(seconds: int) -> float:
        told = dt.datetime.fromtimestamp(seconds, zone).utcoffset()
        return 0.0 if told is None else told.total_seconds()

    begin, end = int(FIRST.timestamp()), int(LAST.timestamp())
    edges, offsets = list[float](), [offset(begin)]
    for start in range(begin, end, STEP):
        low, high = start, start + STEP
        if offset(high) == offset(low):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
        edges.append(math.nextafter(high, -math.inf))
        offsets.append(offset(high))
    return edges, offsets
