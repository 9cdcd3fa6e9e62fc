"""The figure of the differences between backends by step, with the tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from xpmlp.plots.style import COLOURS, GREY, INK, head, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "o^sDv"
LINES: dict[str, Literal["--", "-"]] = {"float64": "--", "float32": "-"}
INSIDE: dict[str, Literal["none", "full"]] = {"float64": "none", "float32": "full"}
"""Fill style of markers by dtype, since a curve of one step is only a marker."""

EQUAL = 1e-18
"""Height of a difference of zero on the logarithmic axis."""


class ParityCurve(NamedTuple):
    """Relative differences of a backend in one dtype by step; or the tolerance."""

    label: str
    dtype: str
    steps: Sequence[int]
    differences: Sequence[float]


def parity_figure(
    panels: Mapping[str, Sequence[ParityCurve]],
    limits: Mapping[str, Sequence[ParityCurve]],
    heading: str,
    base: str,
) -> Figure:
    """Draw the differences by step.

    Parameters
    ----------
    panels : dict of list of ParityCurve
        Curves of each panel, by the compared quantity.
    limits : dict of list of ParityCurve
        The tolerances of each panel.
    heading : str
    base : str
        Base of the differences.
    """
    from matplotlib.lines import Line2D

    figure = new_figure(10.5, 5.2)
    head(figure, heading)
    labels = list(dict.fromkeys(curve.label for curves in panels.values() for curve in curves))
    dtypes = list(dict.fromkeys(curve.dtype for curves in panels.values() for curve in curves))
    for axes, (name, curves) in zip(figure.subplots(1, len(panels), sharey=True), panels.items(), strict=True):
        axes.set_title(name)
        for curve in curves:
            place = labels.index(curve.label)
            axes.plot(
                curve.steps,
                [max(value, EQUAL) for value in curve.differences],
                LINES[curve.dtype],
                color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)],
                markersize=4,
                fillstyle=INSIDE[curve.dtype],
                markevery=_sparse(curve.steps),
                linewidth=1.4,
                alpha=0.85,
            )
        for limit in limits[name]:
            alone = "_" if len(limit.steps) == 1 else ""
            axes.plot(
                limit.steps,
                limit.differences,
                LINES[limit.dtype],
                color=INK,
                linewidth=2.2,
                marker=alone,
                markersize=40,
                markeredgewidth=2.2,
            )
    last = max(max(curve.steps) for curves in panels.values() for curve in curves)
    for axes in figure.axes:  # after all are drawn, since they share an axis
        _scale(axes, last)
    figure.axes[0].set_ylabel(f"relative difference from {base}", parse_math=False)
    handles = [
        Line2D([], [], color=COLOURS[place % len(COLOURS)], marker=MARKERS[place % len(MARKERS)], label=label)
        for place, label in enumerate(labels)
    ]
    handles += [
        Line2D([], [], color=GREY, linestyle=LINES[dtype], marker="o", fillstyle=INSIDE[dtype], label=dtype)
        for dtype in dtypes
    ]
    if any(limits.values()):
        handles.append(Line2D([], [], color=INK, linewidth=2.2, label="allowed"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _sparse(steps: Sequence[int]) -> list[int]:
    """Return the positions of some steps, evenly spaced on a logarithmic axis."""
    places, following = [], 1.0
    for place, step in enumerate(steps):
        if step >= following:
            places.append(place)
            following = step * 1.3
    return places


def _scale(axes: Axes, last: int) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_xlim(0.8, 1.25 * last)
    powers = [10**exponent for exponent in range(len(str(last))) if 10**exponent <= last / 2]
    axes.set_xticks([*powers, last])
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(EQUAL / 3, None)
    exponents = range(-16, 3, 2)
    _, highest = axes.get_ylim()
    shown = [exponent for exponent in exponents if 10.0**exponent <= highest]
    axes.set_yticks([EQUAL, *(10.0**exponent for exponent in shown)], ["0", *(f"1e{exponent}" for exponent in shown)])
    axes.minorticks_off()
    axes.grid(axis="y", color="#EEEEEE")
    axes.set_axisbelow(True)
