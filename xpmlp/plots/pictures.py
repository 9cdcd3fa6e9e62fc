"""The report's pictures, drawn from numbers: a decision boundary, images, a confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xpmlp.plots.curves import NARROW
from xpmlp.plots.saved import FloatArray
from xpmlp.plots.style import BLUE, GREY, INK, VERMILION, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 5
"""Number of images in a row."""


def boundary_figure(plane: Mapping[str, FloatArray], points: Mapping[str, FloatArray]) -> Figure:
    """Draw the decision regions of a network with two inputs, and labelled points, wrong ones as crosses.

    Parameters
    ----------
    plane : columns x1, x2 and probability
        On a square grid, row by row.
    points : columns x1, x2, class and predicted
    """
    from matplotlib.lines import Line2D

    figure = new_figure(NARROW[0], NARROW[0])
    axes = figure.add_subplot()
    side = math.isqrt(len(plane["probability"]))
    at, probability = plane["x1"][:side], plane["probability"].reshape(side, side)
    axes.contourf(at, at, probability, levels=[0, 0.5, 1], colors=[BLUE, VERMILION], alpha=0.12)
    axes.contour(at, at, probability, levels=[0.5], colors=[INK], linewidths=1.8)
    wrong = points["class"] != points["predicted"]
    for value, colour in ((0, BLUE), (1, VERMILION)):
        chosen = (points["class"] == value) & ~wrong
        axes.plot(points["x1"][chosen], points["x2"][chosen], ".", color=colour, markersize=4, alpha=0.7)
    axes.plot(points["x1"][wrong], points["x2"][wrong], "x", color=INK, markersize=7, markeredgewidth=1.6)
    axes.set(xlim=(at[0], at[-1]), ylim=(at[0], at[-1]), xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    handles = [
        Line2D([], [], color=BLUE, marker=".", linestyle="none", markersize=9, label="class 0"),
        Line2D([], [], color=VERMILION, marker=".", linestyle="none", markersize=9, label="class 1"),
        Line2D([], [], color=INK, marker="x", linestyle="none", label="wrong"),
        Line2D([], [], color=INK, label="decision"),
    ]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, columnspacing=1.2)
    return figure


def images_figure(images: FloatArray, captions: Sequence[str] | None, *, signed: bool) -> Figure:
    """Draw images in a grid.

    Parameters
    ----------
    images : (images, height, width)
    captions : sequence of str, optional
        One above each image.
    signed : bool
        Whether zero is in the middle of the scale: blue is negative, red positive; else white is zero.
    """
    rows = max(math.ceil(len(images) / COLUMNS), 1)
    figure = new_figure(NARROW[0], rows * (1.42 if captions else 1.08))
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for index, (panel, image) in enumerate(zip(panels, images, strict=False)):
        limit = float(np.abs(image).max()) or 1.0
        panel.imshow(
            image,
            cmap="RdBu_r" if signed else "gray_r",
            vmin=-limit if signed else 0.0,
            vmax=limit,
            interpolation="nearest",
        )
        if captions:
            panel.set_title(captions[index], fontsize=10, fontweight="normal", loc="center", pad=3, parse_math=False)
    return figure


def confusion_figure(counts: npt.NDArray[Any], labels: Sequence[str]) -> Figure:
    """Draw the counts by class (rows) and prediction (columns), shading only the mistakes.

    Parameters
    ----------
    counts : (classes, classes)
    labels : (classes,)
    """
    figure = new_figure(NARROW[0], 5.0)
    axes = figure.add_subplot()
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    largest = max(float(mistakes.max()), 1.0)
    axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=largest * 1.4)
    for row, column in np.ndindex(*counts.shape):
        count = int(counts[row, column])
        weight = "bold" if row == column else "normal"
        axes.text(
            column, row, f"{count}", ha="center", va="center", fontsize=9, weight=weight, color=INK if count else GREY
        )
    places = range(len(labels))
    axes.set_xticks(places, labels)
    axes.set_yticks(places, labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted", ylabel="class")
    return figure
