"""Dates and times of day in ONNX operators: their parts by the clock of a time zone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xpmlp.data.tables.dates import SECONDS_PER_DAY
from xpmlp.data.tables.features import EncodedColumn
from xpmlp.data.tables.raw import CYCLES
from xpmlp.export.graph import Graph, f64
from xpmlp.export.onnx_numbers import finite, places_of
from xpmlp.export.zones import zone_offsets

Parts = dict[str, Callable[[], str]]
"""Functions that add a part of a date to a graph, by the part's name."""


def clock(graph: Graph, name: str, one: EncodedColumn, missing: tuple[str, ...]) -> list[str]:
    """Add the input of a column of times of day, and its parts."""
    hours = finite(graph, graph.input(name, np.float64, 1, "hours of the day, 14:30 as 14.5, or NaN"))
    return [_part(graph, {"hour": lambda: hours}, feature.part) for feature in one.own_features]


def date(graph: Graph, name: str, one: EncodedColumn, missing: tuple[str, ...]) -> list[str]:
    """Add the input of a column of dates, and its parts."""
    zone = one.column.zone
    instant = finite(graph, graph.input(name, np.float64, 1, f"seconds since 1970{' in UTC' * bool(zone)}, or NaN"))
    wall = instant
    if zone not in ("", "UTC"):
        edges, offsets = zone_offsets(zone)
        ahead = graph.rows([[0.0], *([offset] for offset in offsets)], places_of(graph, instant, edges))
        wall = graph("Add", instant, ahead)
    parts: Parts = {"days": lambda: graph("Div", instant, f64(SECONDS_PER_DAY)), **_calendar(graph, wall)}
    return [_part(graph, parts, feature.part) for feature in one.own_features]


def _part(graph: Graph, parts: Parts, part: str) -> str:
    """Add a part of a date, or a sine or cosine of one."""
    if part in parts:
        return parts[part]()
    name, wave = part.rsplit(" ", 1)
    angle = graph("Mul", parts[name](), f64(2 * np.pi / CYCLES[name]))
    return graph("Sin", angle if wave == "sin" else graph("Add", angle, f64(np.pi / 2)))  # Cos may be float32 only


def _calendar(graph: Graph, wall: str) -> Parts:
    """Return the parts of a date, given in seconds since 1970 by its zone's clock, with months and days from 0.

    References
    ----------
    Hinnant, chrono-compatible low-level date algorithms, 2021: years begin in March, and eras have 400 of them.
    """
    day = _floored(graph, wall, SECONDS_PER_DAY)
    shifted = _plus(graph, day, 719_468)
    era = _floored(graph, shifted, 146_097)
    of_era = _rest(graph, shifted, 146_097, era)
    leaps = graph("Sub", _floored(graph, of_era, 36_524), _floored(graph, of_era, 1_460))
    leaps = graph("Sub", leaps, _floored(graph, of_era, 146_096))
    year = _floored(graph, graph("Add", of_era, leaps), 365)
    before = graph("Add", _times(graph, year, 365), _floored(graph, year, 4))
    of_year = graph("Sub", of_era, graph("Sub", before, _floored(graph, year, 100)))
    month = _floored(graph, _plus(graph, _times(graph, of_year, 5), 2), 153)
    begins = _floored(graph, _plus(graph, _times(graph, month, 153), 2), 5)
    turned = _floored(graph, _plus(graph, month, 2), 12)
    minutes = _floored(graph, _rest(graph, wall, SECONDS_PER_DAY, day), 60)
    return {
        "year": lambda: graph("Add", graph("Add", year, _times(graph, era, 400)), turned),
        "month": lambda: _rest(graph, _plus(graph, month, 2), 12, turned),
        "day": lambda: graph("Sub", of_year, begins),
        "weekday": lambda: _rest(graph, _plus(graph, day, 3), 7, _floored(graph, _plus(graph, day, 3), 7)),
        "hour": lambda: graph("Div", minutes, f64(60)),
    }


def _plus(graph: Graph, value: str, number: float) -> str:
    return graph("Add", value, f64(number))


def _times(graph: Graph, value: str, number: float) -> str:
    return graph("Mul", value, f64(number))


def _floored(graph: Graph, value: str, divisor: float) -> str:
    return graph("Floor", graph("Div", value, f64(divisor)))


def _rest(graph: Graph, value: str, divisor: float, quotient: str) -> str:
    """Return the remainders of a division, given its quotients."""
    return graph("Sub", value, _times(graph, quotient, divisor))
