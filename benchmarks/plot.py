"""The plot of a page: time per step, by work and number of threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import CONTESTANTS, FLOORS
from benchmarks.measure import Measurement
from xpmlp.plots.style import BLUE, GREY, INK, VERMILION, new_figure, own_style, save, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MICROSECONDS = 1e6


def draw(paces: Sequence[Measurement], path: Path) -> None:
    """Draw measurements of the kind ``pace``: a column for each work, a row for each number of threads."""
    works = list(dict.fromkeys(one.work.title for one in paces))
    threads = list(dict.fromkeys(one.threads for one in paces))
    names = [name for name in CONTESTANTS if any(one.row(name) for one in paces)]
    with own_style():
        figure = new_figure(2.0 + 3.0 * len(works), 1.0 + (0.7 + 0.3 * len(names)) * len(threads))
        grid = figure.subplots(len(threads), len(works), squeeze=False, sharey=True, sharex="col")
        for axes in grid.flat:
            axes.set_visible(False)
        for one in paces:
            row, column = threads.index(one.threads), works.index(one.work.title)
            axes = grid[row, column]
            axes.set_visible(True)
            _draw_one(axes, one, names)
            if row == 0:
                title(axes, one.work.title.replace(", ", "\n"))
                axes.title.set_fontsize(11)
            if row == len(threads) - 1:
                axes.set_xlabel("µs for a step")
            if column == 0:
                axes.set_ylabel(f"{one.threads} thread{'s' if one.threads > 1 else ''}")
        save(figure, path)


def _draw_one(axes: Axes, one: Measurement, names: Sequence[str]) -> None:
    """Draw medians as dots, quartiles as lines, and floors as dashed lines."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    for height, entry in enumerate(FLOORS.values()):  # one's name at the bottom, the other's at the top
        floor = one.row(entry.name)
        if floor is None:
            continue
        axes.axvline(floor.spread.median * MICROSECONDS, color=VERMILION, linestyle="--", linewidth=1)
        axes.annotate(
            entry.title,
            (floor.spread.median * MICROSECONDS, height),
            xycoords=("data", "axes fraction"),
            xytext=(3, -3 if height else 3),
            textcoords="offset points",
            va="top" if height else "bottom",
            color=VERMILION,
            fontsize=9,
        )
    for position, name in enumerate(names):
        row = one.row(name)
        if row is None:
            continue
        median, low, high = (value * MICROSECONDS for value in row.spread)
        colour = BLUE if row.entry.is_ours else INK
        axes.plot([low, high], [position, position], color=colour, linewidth=3, alpha=0.35, solid_capstyle="butt")
        axes.plot(median, position, "o", color=colour, markersize=6)
        axes.annotate(
            f"{median:,.0f}", (median, position), xytext=(0, 5), textcoords="offset points", fontsize=8,
            ha="center", color=colour,
        )  # fmt: skip
    axes.set_xscale("log")
    least, most = axes.get_xlim()
    if most < 6 * least:  # where a logarithmic locator has too few ticks, and takes too many
        axes.xaxis.set_major_locator(MaxNLocator(3))
    else:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 30 * least else (1, 3)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=9)
    axes.set_yticks(range(len(names)), [CONTESTANTS[name].title for name in names])
    axes.set_ylim(len(names) - 0.4, -0.8)
    axes.grid(axis="x", color=GREY, alpha=0.15)
    axes.margins(x=0.15)
