"""The report's curves, narrow enough for reading on a phone, drawn from numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xpmlp.plots.saved import FloatArray
from xpmlp.plots.style import BLUE, GREEN, GREY, VERMILION, by_epoch, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NARROW = (5.2, 3.6)
"""Size in inches: at the width of a phone, letters are still as large as in footnotes."""

LOSS = "cross-entropy (nats)"
ACCURACY = "classified correctly (%)"


class Band(NamedTuple):
    """Curve over several runs: mean and standard deviation, (epochs,) each."""

    mean: FloatArray
    deviation: FloatArray


MeanAndDeviation = Sequence[float | None]
"""(mean, standard deviation), each ``None`` if missing."""

Point = tuple[float, MeanAndDeviation, MeanAndDeviation]
"""(learning rate, loss, accuracy)."""


def mean_loss_figure(losses: FloatArray, reference: float) -> Figure:
    """Draw the mean loss of each epoch, (epochs,), with a line for the coursework's last one."""
    figure = new_figure(*NARROW)
    axes = figure.add_subplot()
    epochs = np.arange(1, len(losses) + 1)
    axes.plot(epochs, losses, color=BLUE, linewidth=2, label=f"this run, last {losses[-1]:.4f}")
    axes.axhline(reference, color=VERMILION, linestyle="--", linewidth=1.4, label=f"coursework, last about {reference}")
    axes.set(xlabel="epoch", ylabel=LOSS, ylim=(0, None))
    by_epoch(axes)
    axes.legend()
    return figure


def bands_figure(bands: Mapping[str, Band], figure_name: str) -> Figure:
    """Draw curves by epoch with one standard deviation as a band; ``figure_name`` is loss or accuracy."""
    figure = new_figure(*NARROW)
    axes = figure.add_subplot()
    scale = 100 if figure_name == "accuracy" else 1
    for (name, band), colour, marker, line in zip(
        bands.items(), (BLUE, GREEN, VERMILION), "o^s", ("--", "-", "-"), strict=True
    ):
        mean, deviation = band.mean * scale, band.deviation * scale
        epochs = np.arange(1, len(mean) + 1)
        axes.plot(epochs, mean, line, color=colour, linewidth=2, marker=marker, markeredgecolor="white", label=name)
        axes.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=0.25, linewidth=0)
    axes.set(xlabel="epoch", ylabel=ACCURACY if scale == 100 else LOSS)
    by_epoch(axes)
    axes.legend()
    return figure


def learning_rates_figure(here: Sequence[Point], coursework: Sequence[Point]) -> Figure:
    """Draw validation loss and accuracy by learning rate in two panels, with one standard deviation as error bars."""
    figure = new_figure(NARROW[0], 5.4)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, column, scale, label in zip(panels, (1, 2), (1, 100), (LOSS, ACCURACY), strict=True):
        for points, name, colour, marker in ((coursework, "coursework", GREY, "s"), (here, "this run", BLUE, "o")):
            spreads = [point[column] for point in points]
            axes.errorbar(
                [point[0] for point in points],
                [(mean or 0.0) * scale for mean, _ in spreads],  # type: ignore[misc]
                [(deviation or 0.0) * scale for _, deviation in spreads],  # type: ignore[misc]
                color=colour,
                marker=marker,
                linewidth=1.8,
                capsize=4,
                label=name,
            )
        axes.set_ylabel(label)
        axes.grid(axis="y", color="#EEEEEE")
    rates = sorted({point[0] for point in (*here, *coursework)})
    panels[1].set_xscale("log")
    panels[1].set_xticks(rates, [f"{rate:g}" for rate in rates])
    panels[1].minorticks_off()
    panels[1].set_xlabel("learning rate")
    panels[0].legend()
    return figure
