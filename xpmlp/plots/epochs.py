"""The figure of loss and accuracy, or R², by epoch."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from xpmlp.nn import Metric, metric_names
from xpmlp.plots.saved import Combination, Epochs, Facts, FloatArray, of_runs
from xpmlp.plots.style import BLUE, COLOURS, FAINT, VERMILION, by_epoch, legend_below, new_figure, say, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_MARKED_EPOCHS = 40
METRICS: dict[Metric, tuple[str, float, str, float]] = {
    "accuracy": ("classified correctly (%)", 100.0, "{:.1f}", 100.5),
    "r2": ("R², part of the variance that is predicted", 1.0, "{:.3f}", 1.005),
}
"""Axis of the metric: its label, the factor on values, their format, and the top of the axis."""
MOST = 2 * len(COLOURS)
"""Maximum number of combinations to draw, the best ones."""
NAMED = 20
"""Maximum number of combinations to name among those not drawn."""
MARKERS = "os"
LINES: tuple[Literal["-", "--"], ...] = ("-", "--")
PARTS = {"train": (BLUE, "o"), "validation": (VERMILION, "s")}


class Curve(NamedTuple):
    """Values (epochs, runs) and their style; drawn as the mean in a band of one standard deviation."""

    label: str
    values: FloatArray
    colour: str
    marker: str
    line: Literal["-", "--"] = "-"


def epochs_figure(epochs: Epochs, facts: Facts) -> Figure:
    """Draw loss and metric by epoch, for the training part and, if there is one, the validation part.

    Several runs are drawn as their mean, in a band of one standard deviation.  The legends give the last values, for
    several runs the mean and the standard deviation of each run's own last value.  For a grid each combination of
    values has a line, for the validation part alone if there is one, and the legends begin with the lowest loss.  A
    line marks the epoch with the saved weights, if that was the best one.
    """
    combinations = ranked(epochs, facts.combinations)
    shown = combinations[:MOST]
    figure = new_figure(11.5 if shown else 10, 4.2 + 0.24 * len(shown) + (0.9 if combinations[MOST:] else 0))
    part = "validation" if np.isfinite(epochs.validation_loss).any() else "train"
    of = ("training " if part == "train" else "validation ") if combinations else ""
    label, scale, form, most = METRICS[epochs.metric]
    panels = figure.subplots(1, 2)
    for axes, name, heading, y_label, factor, form_ in (
        (panels[0], "loss", "loss", facts.loss_title, 1.0, "{:#.3g}"),
        (panels[1], "value", metric_names[epochs.metric], label, scale, form),
    ):
        title(axes, f"{facts.name}: {of}{heading} by epoch")
        axes.set(xlabel="epoch", ylabel=y_label)
        if not len(epochs.train_loss):
            say(axes, "No epoch was finished.")
            continue
        values = {part: getattr(epochs, f"{part}_{name}") * factor for part in PARTS}
        if combinations:
            curves = [
                Curve(
                    one.label,
                    of_runs(values[part], one.runs),
                    COLOURS[n % len(COLOURS)],
                    MARKERS[n // len(COLOURS)],
                    LINES[n // len(COLOURS)],
                )
                for n, one in enumerate(shown)
            ]
        else:
            curves = [Curve(part, values[part], *PARTS[part]) for part in PARTS]
        if facts.kept is not None and not combinations:
            axes.axvline(facts.kept, color=FAINT, linewidth=1.2, linestyle="--", zorder=0, label=f"kept, {facts.kept}")
        _panel(axes, curves, form_, combinations if name == "loss" else shown)
    if len(epochs.train_loss):
        panels[1].set_ylim(top=min(panels[1].get_ylim()[1], most))
    return figure


def ranked(epochs: Epochs, combinations: Sequence[Combination]) -> list[Combination]:
    """Sort combinations by the mean of their runs' last validation losses, or training losses, the lowest first."""
    losses = epochs.validation_loss if np.isfinite(epochs.validation_loss).any() else epochs.train_loss
    if not len(losses):
        return list(combinations)

    def loss(one: Combination) -> float:
        mean = float(mean_and_deviation(_last(of_runs(losses, one.runs)))[0])
        return mean if np.isfinite(mean) else np.inf

    return sorted(combinations, key=loss)


def left_out(combinations: Sequence[Combination]) -> str:
    """Return a note on the combinations not drawn, naming the first ones; empty if there are none."""
    rest = [one.label for one in combinations[MOST:]]
    more = f" and {len(rest) - NAMED} more" if len(rest) > NAMED else ""
    return textwrap.fill(f"not drawn: {'; '.join(rest[:NAMED])}{more}", 60) if rest else ""


def _panel(axes: Axes, curves: Sequence[Curve], form: str, combinations: Sequence[Combination]) -> None:
    """Draw one line for each curve with finite values."""
    epochs = np.arange(1, len(curves[0].values) + 1)
    runs = max(curve.values.shape[1] for curve in curves)
    for label, values, colour, marker, style in curves:
        if not np.isfinite(values).any():
            continue
        mean, deviation = mean_and_deviation(values)
        last = " ± ".join([form.format(figure) for figure in mean_and_deviation(_last(values))][: values.shape[1]])
        (line,) = axes.plot(epochs, mean, style, color=colour, linewidth=2, label=f"{label}, last {last}")
        if len(epochs) <= MAX_MARKED_EPOCHS:
            line.set(marker=marker, markersize=6, markeredgecolor="white")
        if values.shape[1] > 1:
            alpha = 0.12 if combinations else 0.2
            axes.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=alpha, linewidth=0)
    axes.margins(x=0.04, y=0.08)
    by_epoch(axes)
    if not axes.get_legend_handles_labels()[0]:
        say(axes, "No epoch has a finite figure.")
        return
    if combinations:
        legend = legend_below(axes, left_out(combinations))
    else:
        legend = axes.legend(loc="best" if len(epochs) > 1 else "center right")  # beside one epoch's markers
    if runs > 1:
        legend.set_title(f"mean ± standard deviation of {runs} runs{' each' * bool(combinations)}")


def mean_and_deviation(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute mean and standard deviation of the finite values over the runs, the last axis; NaN without any."""
    finite = np.isfinite(values)
    count = np.where(finite.any(axis=-1), finite.sum(axis=-1), np.nan)
    mean = np.where(finite, values, 0).sum(axis=-1) / count
    squares = np.where(finite, values - mean[..., np.newaxis], 0) ** 2
    return mean, np.sqrt(squares.sum(axis=-1) / count)


def _last(values: FloatArray) -> FloatArray:
    """Return the last finite figure of each run, (runs,); NaN for a run without one."""
    finite = np.isfinite(values)
    last = len(values) - 1 - np.argmax(finite[::-1], axis=0)
    return np.where(finite.any(axis=0), values[last, np.arange(values.shape[1])], np.nan)
