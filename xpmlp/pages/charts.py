"""SVG figures with colours from the page's style, for light and dark mode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp.pages.markup import Markup, element

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 12, 44

MOST_POINTS = 600
"""Maximum number of points drawn of a line or a cloud."""

MOST_SERIES = 8
"""Maximum number of distinguishable lines in a figure."""

LINE = 16
"""Height of a line of the legend."""

SHORT = 20
"""Maximum length of names for two names on a line of the legend."""

Numbers = npt.NDArray[np.float64]
Points = Sequence[float] | Numbers
Range = tuple[float, float]


class Series(NamedTuple):
    """Points drawn in the same style.

    Attributes
    ----------
    name : str
    x, y : (n,)
        Points with a coordinate that is not finite are not drawn.
    dots : bool
        Draw dots instead of a line.
    """

    name: str
    x: Numbers
    y: Numbers
    dots: bool = False


def chart(
    title: str,
    x_title: str,
    y_title: str,
    series: Sequence[Series],
    *,
    diagonal: bool = False,
    unit: bool = False,
    zero: bool = False,
) -> Markup:
    """Draw lines or dots.

    Parameters
    ----------
    title : str
        Label for screen readers.
    x_title, y_title : str
    series : sequence of Series
    diagonal : bool
        Draw the line of equality, too, with the same range for both axes.
    unit : bool
        Use the range from 0 to 1 for both axes.
    zero : bool
        Include 0 in the vertical axis.
    """
    xs, ys = (np.concatenate([getattr(one, name) for one in series] or [np.zeros(1)]) for name in ("x", "y"))
    x_range, y_range = _range(xs), _range(np.append(ys, 0.0) if zero else ys)
    if unit:
        x_range = y_range = (0.0, 1.0)
    elif diagonal:
        x_range = y_range = (min(x_range[0], y_range[0]), max(x_range[1], y_range[1]))
    parts = [*_axes(x_range, y_range, x_title, y_title, least=(float((xs == np.round(xs)).all()), 0.0))]
    if diagonal:
        parts.append(_line([x_range[0], x_range[1]], [y_range[0], y_range[1]], x_range, y_range, "reference"))
    for place, one in enumerate(series):
        parts += _drawn(one, x_range, y_range, f"series{place % MOST_SERIES}")
    return _svg(title, *_with_legend(parts, [one.name for one in series]))


def _with_legend(parts: list[Markup], names: Sequence[str]) -> tuple[list[Markup], int]:
    """Add the names of several series below the figure, two per line if short; return the parts and the height."""
    columns = 2 if max(map(len, names), default=0) <= SHORT else 1
    lines = -(-len(names) // columns) if len(names) > 1 else 0
    for place, name in enumerate(names if lines else ()):
        x, y = LEFT + (WIDTH - LEFT) / 2 * (place % columns), HEIGHT + LINE * (place // columns) + 8
        kind = f"series{place % MOST_SERIES}"
        parts.append(element("line", x1=x, x2=x + 26, y1=y - 4, y2=y - 4, class_=f"line {kind}"))
        parts.append(element("text", name, x=x + 32, y=y, class_="legend"))
    return parts, HEIGHT + LINE * lines


def bars(title: str, x_title: str, y_title: str, edges: Numbers, heights: Numbers) -> Markup:
    """Draw a histogram of n ``heights`` between n + 1 ``edges``."""
    x_range, y_range = (float(edges[0]), float(edges[-1])), (0.0, float(heights.max(initial=1)) * 1.05)
    parts = [*_axes(x_range, y_range, x_title, y_title, least=(0.0, 1.0))]
    for begin, end, height in zip(edges[:-1], edges[1:], heights, strict=True):
        left, right = _across(float(begin), x_range), _across(float(end), x_range)
        top = _up(float(height), y_range)
        box = {"x": _short(left), "y": _short(top), "width": _short(max(right - left - 1, 0.5))}
        parts.append(element("rect", **box, height=_short(HEIGHT - BOTTOM - top), class_="bar"))
    return _svg(title, parts)


def _svg(title: str, parts: Sequence[Markup], height: int = HEIGHT) -> Markup:
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=title)


def _range(values: Numbers) -> Range:
    """Return the range of the finite numbers, with a small margin."""
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = (high - low) * 0.04 or abs(high) * 0.05 or 0.5
    return low - margin, high + margin


def _drawn(one: Series, x_range: Range, y_range: Range, kind: str) -> list[Markup]:
    some = np.unique(np.linspace(0, max(len(one.x) - 1, 0), min(len(one.x), MOST_POINTS)).astype(int))
    x, y = one.x[some], one.y[some]
    drawn = np.isfinite(x) & np.isfinite(y)
    if one.dots or drawn.sum() == 1:  # one epoch makes no line
        return [
            element("circle", cx=_short(_across(a, x_range)), cy=_short(_up(b, y_range)), r=2.2, class_=f"dot {kind}")
            for a, b in zip(x[drawn], y[drawn], strict=True)
        ]
    return [_line(x[drawn], y[drawn], x_range, y_range, kind)] if drawn.any() else []


def _line(x: Points, y: Points, x_range: Range, y_range: Range, kind: str) -> Markup:
    points = " ".join(f"{_short(_across(a, x_range))},{_short(_up(b, y_range))}" for a, b in zip(x, y, strict=True))
    return element("polyline", points=Markup(points), class_=f"line {kind}")


def _axes(x_range: Range, y_range: Range, x_title: str, y_title: str, least: tuple[float, float]) -> list[Markup]:
    """Draw the frame, ticks at least ``least`` apart (1 for whole numbers), and titles."""
    parts = [element("rect", x=LEFT, y=TOP, width=WIDTH - LEFT - RIGHT, height=HEIGHT - TOP - BOTTOM, class_="frame")]
    for tick, told in _ticks(*x_range, least[0]):
        x = _short(_across(tick, x_range))
        parts.append(element("text", told, x=x, y=HEIGHT - BOTTOM + 16, class_="tick middle"))
        parts.append(element("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="grid"))
    for tick, told in _ticks(*y_range, least[1]):
        y = _short(_up(tick, y_range))
        parts.append(element("text", told, x=LEFT - 5, y=y, class_="tick end", dy="0.35em"))
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(element("text", x_title, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, class_="title middle"))
    turned = f"rotate(-90 12 {middle:g})"
    parts.append(element("text", y_title, x=12, y=middle, transform=turned, class_="title middle"))
    return parts


def _ticks(low: float, high: float, least: float) -> list[tuple[float, str]]:
    """Choose up to about six round numbers between two others, ``least`` or more apart, each with its text."""
    rough = max((high - low) / 6, least)
    if not (rough > 0 and math.isfinite(rough)):
        return [(low, f"{low:.4g}")]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    ticks = [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [(tick, _tick(tick, step)) for tick in ticks]


def _tick(value: float, step: float) -> str:
    """Format a number with enough digits to distinguish it from the next one, ``step`` away."""
    digits = max(math.floor(math.log10(abs(value))) - math.floor(math.log10(step)) + 1, 4) if value else 1
    return f"{value / 1_000:.{digits}g}k" if 1e4 <= abs(value) < 1e7 else f"{value:.{digits}g}"


def _across(x: float, x_range: Range) -> float:
    return LEFT + (x - x_range[0]) / (x_range[1] - x_range[0]) * (WIDTH - LEFT - RIGHT)


def _up(y: float, y_range: Range) -> float:
    return HEIGHT - BOTTOM - (y - y_range[0]) / (y_range[1] - y_range[0]) * (HEIGHT - TOP - BOTTOM)


def _short(value: float) -> str:
    return f"{value:.1f}"
