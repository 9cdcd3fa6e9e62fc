"""The figure of the loss of each batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xpmlp.plots.epochs import LINES, MOST, left_out, mean_and_deviation
from xpmlp.plots.saved import Facts, FloatArray, of_runs
from xpmlp.plots.style import BLUE, COLOURS, FAINT, GREY, INK, VERMILION, legend_below, new_figure, say, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_POINTS = 8_000  # more would only blur
MAX_VERTICES = 1_000  # of a smoothed line: about one per pixel
WINDOWS = 50  # number of smoothing windows that cover all steps, end to end
MAX_EPOCH_LINES, MAX_EPOCH_CHARACTERS = 20, 80


def loss_figure(losses: FloatArray, facts: Facts, size: tuple[float, float] = (8.5, 4.6)) -> Figure:
    """Draw the loss of each batch against the step, as points, with a smoothed line on top.

    For many steps only every n-th is drawn as a point, as noted in the legend; the line uses all of them.  A few runs
    have a colour each; for many, the line is the mean.  For a grid each combination of values has a line, and a band of
    one standard deviation over its runs, without points.  The scale is logarithmic if a line spans more than a factor
    of ten.

    Parameters
    ----------
    losses : (steps, runs)
        NaN after the end of a run.
    facts : Facts
    size : (width, height)
        In inches.
    """
    combinations = facts.combinations
    figure = new_figure(size[0], size[1] + 0.24 * min(len(combinations), MOST) + (0.9 if combinations[MOST:] else 0))
    axes = figure.add_subplot()
    title(axes, f"{facts.name}: loss of each batch")
    axes.set_xlabel("step" if facts.batch_size is None else f"step (batches of {facts.batch_size:,})")
    axes.set_ylabel(facts.loss_title)
    if not np.isfinite(losses).any():
        say(axes, "No batch has a finite loss." if losses.size else "No step was made.")
        return figure

    steps, runs = losses.shape
    half_width = max(steps // (2 * WINDOWS), 1)
    window = f"mean of {2 * half_width + 1:,} batches"
    if 1 < runs <= len(COLOURS):
        parts = [(losses[:, [run]], COLOURS[run], COLOURS[run], f"run {run}, {window}") for run in range(runs)]
    else:
        parts = [(losses, BLUE, VERMILION, window if runs == 1 else f"{window} of each of {runs} runs")]
    lines = []
    for values, point_colour, line_colour, label in () if combinations else parts:
        _draw_points(axes, values, math.ceil(losses.size / MAX_POINTS), point_colour)
        at, line = smoothed(values, half_width)
        axes.plot(at + 1, line, color="white", linewidth=4, alpha=0.85)  # lifts the line off its points
        seen = np.isfinite(line).sum() > 1  # a single step has only a point
        axes.plot(at + 1, line, color=line_colour, linewidth=2, label=label if seen else None)
        lines.append(line)
    for number, one in enumerate(combinations[:MOST]):
        each = [smoothed(of_runs(losses, [column]), half_width) for column in one.columns]
        at, (mean, deviation) = each[0][0] + 1, mean_and_deviation(np.stack([means for _, means in each], axis=1))
        colour, style = COLOURS[number % len(COLOURS)], LINES[number // len(COLOURS)]
        axes.plot(at, mean, style, color=colour, linewidth=2, label=one.label)
        axes.fill_between(at, mean - deviation, mean + deviation, color=colour, alpha=0.15, linewidth=0)
        lines.append(mean)
    _fit_horizontal_scale(axes, steps)
    drawn = np.concatenate(lines)
    hidden = _fit_vertical_scale(axes, drawn if combinations else losses, drawn)
    _mark_epochs(axes, steps, facts.steps_per_epoch)
    if combinations:
        legend_below(axes, left_out(combinations)).set_title(f"{window} of each run, mean ± standard deviation")
        return figure
    _mark_end(axes, losses)
    _add_legend(axes, losses, hidden)
    return figure


def smoothed(losses: FloatArray, half_width: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Average losses over all runs and the batches within ``half_width`` steps, at up to ``MAX_VERTICES`` steps.

    The window narrows towards the first step, where the loss falls so fast that a mean over later batches would
    hide it.

    Parameters
    ----------
    losses : (steps, runs)
        Values that are not finite are ignored.
    half_width : int

    Returns
    -------
    at : (vertices,)
        The steps, from 0.
    means : (vertices,)
        The means there; NaN if no run has a finite loss at the step itself.
    """
    at = np.unique(np.linspace(0, len(losses) - 1, min(len(losses), MAX_VERTICES)).round().astype(np.int64))
    means = np.full(len(at), np.nan)
    for vertex in np.flatnonzero(np.isfinite(losses[at]).any(axis=1)):
        step = at[vertex]
        half = min(half_width, step)
        window = losses[step - half : step + half + 1]
        means[vertex] = np.mean(window[np.isfinite(window)])
    return at, means


def _draw_points(axes: Axes, losses: FloatArray, every: int, colour: str) -> None:
    """Draw every ``every``-th batch as a point; in an SVG all points form one small image."""
    shown = losses[::every]
    points = axes.plot(np.arange(len(losses))[::every] + 1, shown, "o", color=colour, rasterized=True)
    for series in points:
        series.set(markersize=2.8 if shown.size > 1_000 else 3.6, markeredgewidth=0)
        series.set_alpha(0.25 + 0.5 / (1 + shown.size / 1_000))


def _fit_horizontal_scale(axes: Axes, steps: int) -> None:
    from matplotlib.ticker import MaxNLocator

    margin = max(0.01 * steps, 0.5)
    axes.set_xlim(1 - margin, steps + margin)
    room = int(axes.get_figure(root=True).get_figwidth())  # type: ignore[union-attr]  # a long number needs an inch
    axes.xaxis.set_major_locator(MaxNLocator(room, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _fit_vertical_scale(axes: Axes, losses: FloatArray, line: FloatArray) -> float:
    """Frame the lines and the bulk of the points, so that a few outliers don't flatten the rest.

    Returns the fraction of points outside.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    finite = losses[np.isfinite(losses)]
    low, high = float(np.nanmin(line)), float(np.nanmax(line))
    top = max(high, float(np.quantile(finite, 0.995)))
    top = min(1.5 * top, max(top, float(finite.max())))
    if 0 < 10 * low < high:
        bottom = max(low / 10, min(low, float(np.quantile(finite, 0.005))))
        bottom = max(bottom / 1.5, min(bottom, float(finite.min())))
        axes.set_yscale("log")
        axes.set_ylim(bottom / 1.1, top * 1.1)
        axes.yaxis.set_minor_formatter(NullFormatter())
        if top / bottom < 1e4:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(0, top * 1.04 or 1.0)
    lowest, highest = axes.get_ylim()
    return float(np.mean((finite < lowest) | (finite > highest)))


def _mark_epochs(axes: Axes, steps: int, steps_per_epoch: int | None) -> None:
    """Draw a faint line at the end of each epoch, or of every few, and their numbers along the top."""
    if not steps_per_epoch or steps <= steps_per_epoch:
        return
    epochs = steps // steps_per_epoch
    most = min(MAX_EPOCH_LINES, MAX_EPOCH_CHARACTERS // len(f"{epochs:,} "))
    every = next(n * 10**k for k in range(20) for n in (1, 2, 5) if epochs <= most * n * 10**k)
    numbers = np.arange(every, epochs + 1, every)
    ends = numbers * steps_per_epoch
    for end in ends:
        axes.axvline(end, color=FAINT, linewidth=0.8, zorder=0)
    top = axes.secondary_xaxis("top")
    top.set_xticks(ends, [f"{number:,}" for number in numbers])
    top.tick_params(length=0, labelsize="small", pad=1)
    top.spines["top"].set_visible(False)
    axes.text(1.01, 1.006, "epoch", transform=axes.transAxes, fontsize="small", color=GREY)


def _mark_end(axes: Axes, losses: FloatArray) -> None:
    """Mark the end of a single run's finite losses; for several, NaN may also be the padding after a run."""
    if losses.shape[1] > 1 or np.isfinite(losses).all():
        return
    step = int(np.argmin(np.isfinite(losses[:, 0]))) + 1
    axes.axvline(step, color=INK, linewidth=1.2, linestyle="--", label=f"not finite from step {step:,}")


def _add_legend(axes: Axes, losses: FloatArray, hidden: float) -> None:
    """Add a legend for points and lines, with the fraction of hidden points, on the side with the lower loss."""
    from matplotlib.lines import Line2D

    every = math.ceil(losses.size / MAX_POINTS)
    label = "batches" if every == 1 else f"one batch in {every:,}"
    if hidden:
        label += f" ({max(hidden, 0.001):.1%} of all lie outside)"
    colour = GREY if 1 < losses.shape[1] <= len(COLOURS) else BLUE
    points = Line2D([], [], linestyle="none", marker="o", markersize=4, color=colour, alpha=0.7, label=label)
    lines, _ = axes.get_legend_handles_labels()
    half = len(losses) // 2
    axes.legend(
        handles=[points, *lines], loc="upper left" if _peak(losses[half:]) > _peak(losses[:half]) else "upper right"
    )


def _peak(losses: FloatArray) -> float:
    return float(np.max(losses, initial=-math.inf, where=np.isfinite(losses)))
