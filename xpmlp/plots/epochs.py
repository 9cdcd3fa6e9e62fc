"""The figure of loss and accuracy, or R², by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xpmlp.nn import Metric, metric_names
from xpmlp.plots.saved import Epochs, Facts, FloatArray
from xpmlp.plots.style import BLUE, VERMILION, new_figure, say, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_MARKED_EPOCHS = 40
METRICS: dict[Metric, tuple[str, float, str, float]] = {
    "accuracy": ("classified correctly (%)", 100.0, "{:.1f}", 100.5),
    "r2": ("R², part of the variance that is predicted", 1.0, "{:.3f}", 1.005),
}
"""The metric's axis: its label, the factor on values, how they are written, and the top of the axis."""
PARTS = {"train": (BLUE, "o"), "validation": (VERMILION, "s")}


def epochs_figure(epochs: Epochs, facts: Facts) -> Figure:
    """Loss and metric by epoch, of the training part and, where there is one, of the validation part.

    Several runs are drawn as their mean, in a band of one standard deviation.  The legends give the last values, of
    several runs the mean and the standard deviation of each run's own last.
    """
    figure = new_figure(10, 4.2)
    loss, value = figure.subplots(1, 2)
    title(loss, f"{facts.name}: loss by epoch")
    title(value, f"{facts.name}: {metric_names[epochs.metric]} by epoch")
    loss.set(xlabel="epoch", ylabel=facts.loss_title)
    label, scale, form, most = METRICS[epochs.metric]
    value.set(xlabel="epoch", ylabel=label)
    if not len(epochs.train_loss):
        say(loss, "No epoch was finished.")
        say(value, "No epoch was finished.")
        return figure
    _panel(loss, epochs.train_loss, epochs.validation_loss, "{:#.3g}")
    _panel(value, epochs.train_value * scale, epochs.validation_value * scale, form)
    value.set_ylim(top=min(value.get_ylim()[1], most))
    return figure


def _panel(axes: Axes, train: FloatArray, validation: FloatArray, form: str) -> None:
    """One curve for each part that has figures, each (epochs, runs)."""
    from matplotlib.ticker import MaxNLocator

    epochs, runs = np.arange(1, len(train) + 1), train.shape[1]
    for (part, (colour, marker)), values in zip(PARTS.items(), (train, validation), strict=True):
        if not np.isfinite(values).any():
            continue
        mean, deviation = _mean_and_deviation(values)
        last = [form.format(figure) for figure in _mean_and_deviation(_last(values))]
        (line,) = axes.plot(epochs, mean, color=colour, linewidth=2, label=f"{part}, last {' ± '.join(last[:runs])}")
        if len(epochs) <= MAX_MARKED_EPOCHS:
            line.set(marker=marker, markersize=6, markeredgecolor="white")
        if runs > 1:
            axes.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.margins(x=0.04, y=0.08)
    axes.grid(axis="y", color="#EEEEEE")
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        legend = axes.legend(loc="best" if len(epochs) > 1 else "center right")  # beside one epoch's markers
        if runs > 1:
            legend.set_title(f"mean ± standard deviation of {runs} runs")
    else:
        say(axes, "No epoch has a finite figure.")


def _mean_and_deviation(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Over the runs, the last axis, those that are finite; NaN where none is: two of (...)."""
    finite = np.isfinite(values)
    count = np.where(finite.any(axis=-1), finite.sum(axis=-1), np.nan)
    mean = np.where(finite, values, 0).sum(axis=-1) / count
    squares = np.where(finite, values - mean[..., np.newaxis], 0) ** 2
    return mean, np.sqrt(squares.sum(axis=-1) / count)


def _last(values: FloatArray) -> FloatArray:
    """The last finite figure of each run, (runs,); NaN for a run without one."""
    finite = np.isfinite(values)
    last = len(values) - 1 - np.argmax(finite[::-1], axis=0)
    return np.where(finite.any(axis=0), values[last, np.arange(values.shape[1])], np.nan)
