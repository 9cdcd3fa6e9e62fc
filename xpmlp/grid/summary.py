"""Summaries of a grid: means and standard deviations over the seeds, for each combination of its values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from xpmlp._csv import csv_text
from xpmlp.grid.plan import Member
from xpmlp.nn import metric_names
from xpmlp.training.run import Run, Status

FIGURES = tuple(f"{part}_{figure}" for part in ("train", "validation", "test") for figure in ("loss", *metric_names))
"""Figures to summarise, if available."""


class Statistic(NamedTuple):
    """Statistics of a figure over several seeds.

    Attributes
    ----------
    mean : float
    deviation : float or None
        The sample's standard deviation (divided by n - 1); ``None`` for a single run.
    """

    mean: float
    deviation: float | None


class Summary(NamedTuple):
    """Summary of the runs for one combination of a grid's values.

    Attributes
    ----------
    point : dict
        The value of each axis that varies.
    runs : int
        Number of runs counted: those that ended with finite figures.
    diverged : int
    figures : dict of Statistic
        By the names in `FIGURES`, from the last epoch, or the best with early stopping.
    """

    point: dict[str, Any]
    runs: int
    diverged: int
    figures: dict[str, Statistic]


def summarize(members: Sequence[Member], runs: Sequence[Run]) -> list[Summary]:
    """Summarise runs by their point of the grid.

    Parameters
    ----------
    members, runs : sequences
        Of the same length and order.

    Returns
    -------
    summaries : list of Summary
        In the order of the grid.
    """
    groups: dict[str, list[tuple[Member, Run]]] = {}
    for member, run in zip(members, runs, strict=True):
        groups.setdefault(repr(member.point), []).append((member, run))
    return [_summary(group) for group in groups.values()]


def _summary(group: list[tuple[Member, Run]]) -> Summary:
    counted = [figures_of(run) for _, run in group if run.status is not Status.DIVERGED]
    counted = [figures for figures in counted if figures]
    names = [name for name in FIGURES if counted and all(name in figures for figures in counted)]
    return Summary(
        group[0][0].point,
        len(counted),
        sum(run.status is Status.DIVERGED for _, run in group),
        {name: _statistic([figures[name] for figures in counted]) for name in names},
    )


def figures_of(run: Run) -> dict[str, float]:
    """Return a run's final figures by the names in `FIGURES`: from its last epoch, or its best if that was kept."""
    if not run.epochs:
        return {}
    row = run.epochs[(run.best_epoch or len(run.epochs)) - 1]
    found = [("train", row.train_loss, row.train_value), ("validation", row.validation_loss, row.validation_value)]
    if run.test is not None:
        found.append(("test", *run.test))
    figures: dict[str, float] = {}
    for part, loss, value in found:
        if loss is not None and value is not None:
            figures |= {f"{part}_loss": loss, f"{part}_{run.metric}": value}
    return figures


def deciding_figure(figures: dict[str, Any]) -> str | None:
    """Return the name of the loss for comparing runs: of validation if there is one, else of test or training."""
    return next((name for name in ("validation_loss", "test_loss", "train_loss") if name in figures), None)


def best(summaries: Sequence[Summary]) -> int | None:
    """Return the index of the best combination, by the mean of its deciding figure; ``None`` if none is finite."""
    means = [
        summary.figures[name].mean if (name := deciding_figure(summary.figures)) else math.inf for summary in summaries
    ]
    finite = [index for index, mean in enumerate(means) if math.isfinite(mean)]
    return min(finite, key=lambda index: means[index], default=None)


def summary_csv(summaries: Sequence[Summary]) -> str:
    """Return the text of ``summary.csv``: the axes, the numbers of runs, and mean and deviation of each figure."""
    axes = list(summaries[0].point)
    names = [name for name in FIGURES if any(name in summary.figures for summary in summaries)]
    rows: list[list[Any]] = [
        [*axes, "runs", "diverged", *(f"{name}_{part}" for name in names for part in ("mean", "std"))]
    ]
    for summary in summaries:
        figures = (part for name in names for part in summary.figures.get(name, (None, None)))
        rows.append([*summary.point.values(), summary.runs, summary.diverged, *figures])
    return csv_text(rows)


def summary_rows(summaries: Sequence[Summary]) -> tuple[list[str], list[list[str]]]:
    """Return the summary for display: header and rows, with figures like ``0.1398 ± 0.0067``."""
    axes = list(summaries[0].point)
    names = [name for name in FIGURES if any(name in summary.figures for summary in summaries)]
    header = [*(axis.replace("_", " ") for axis in axes), "runs", *map(figure_title, names)]
    rows = []
    for summary in summaries:
        diverged = f" ({summary.diverged} diverged)" if summary.diverged else ""
        figures = [_text(summary.figures[name]) if name in summary.figures else "-" for name in names]
        rows.append([*(point_text(summary.point[axis]) for axis in axes), f"{summary.runs}{diverged}", *figures])
    return header, rows


def figure_title(name: str) -> str:
    """Return the display title of one of `FIGURES`, such as ``validation R²``."""
    part, _, figure = name.partition("_")
    titles = {"loss": "loss", **metric_names}
    return f"{part} {titles[figure]}"


def _statistic(values: list[float]) -> Statistic:
    return Statistic(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def short(value: Any) -> str:
    """Format a value for display: a figure with four decimals, or a huge one with four digits."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.3e}"


def point_text(value: Any) -> str:
    """Format a value of an axis for display."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def point_in_words(point: Mapping[str, Any]) -> str:
    """Format a combination of a grid's values: ``learning_rate 0.1, batch_size 32``."""
    return ", ".join(f"{name} {point_text(value)}" for name, value in point.items())


def _text(statistic: Statistic) -> str:
    return short(statistic.mean) + ("" if statistic.deviation is None else f" ± {short(statistic.deviation)}")
