"""The figure of `xpmlp verify`: it shows all measurements and tolerances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from xpmlp.plots.parity import ParityCurve, parity_figure


def figure_of(steps: list[int], loss: list[float], weights: list[float]) -> Figure:
    """Two panels of float32; weights may differ by a hundred times what losses may."""

    def curves(values: list[float]) -> list[ParityCurve]:
        return [ParityCurve("torch", "float32", steps, values)]

    limits = {"loss": curves([2e-5] * len(steps)), "weights": curves([2e-3] * len(steps))}
    return parity_figure({"loss": curves(loss), "weights": curves(weights)}, limits, "digits", "numpy")


def lines(figure: Figure) -> list[tuple[Any, Any]]:
    return [(axes, line) for axes in figure.axes for line in axes.get_lines()]


@pytest.mark.parametrize("steps", [[1], [1, 2, 3], list(range(1, 1001))], ids=len)
def test_all_is_within_the_axes(steps: list[int]) -> None:
    figure = figure_of(steps, [1e-7] * len(steps), [0.5] * len(steps))
    for axes, line in lines(figure):
        assert axes.get_ylim()[0] < min(line.get_ydata())
        assert max(line.get_ydata()) < axes.get_ylim()[1]
        assert axes.get_xlim()[0] < 1 <= steps[-1] < axes.get_xlim()[1]
        assert [tick for tick in axes.get_xticks() if tick > 0][-1] == steps[-1]


def test_of_one_step_all_is_seen() -> None:
    for _, line in lines(figure_of([1], [1e-7], [0.0])):
        assert line.get_marker() not in ("", "None", None)


def test_what_is_not_finite_is_left_out() -> None:
    figure = figure_of([1, 2], [np.nan, np.inf], [1e-7, np.nan])
    figure.canvas.draw()
    assert all(np.isfinite(axes.get_ylim()).all() for axes in figure.axes)
