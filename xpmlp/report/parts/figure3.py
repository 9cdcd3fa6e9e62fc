"""Figures 3a and 3b: loss and accuracy by epoch over several runs, during an epoch and after it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from xpmlp import plots
from xpmlp.report.comparison import spread
from xpmlp.report.demands import CLASSES, EVERY_EPOCH, SEVERAL_RUNS, VALIDATION
from xpmlp.report.numbers import by_run, read_csv
from xpmlp.report.part import FinishedPart, PartContents, PartInputs, ReportPart
from xpmlp.report.parts.training import RUN, divergence, train_runs
from xpmlp.training import Status

CURVES = ("training, during the epoch", "training, after the epoch", "validation, after the epoch")
FIGURES, PARTS = ("loss", "accuracy"), ("train", "train", "validation")


def compute(work: PartInputs) -> dict[str, Any]:
    """Train a run for each seed, and evaluate the training images, too, after each epoch."""
    if any(run.status is Status.DIVERGED for run in train_runs(work, work.settings).runs):
        raise divergence(work, "a run of Figures 3a and 3b")
    epochs, after = (read_csv(work.folder / RUN / name) for name in ("epochs.csv", "train_after.csv"))
    tables = {
        figure: [
            by_run(columns, f"{part}_{figure}") for columns, part in zip((epochs, after, epochs), PARTS, strict=True)
        ]
        for figure in FIGURES
    }
    curves = {
        figure: {
            curve: {"mean": table.mean(axis=1).tolist(), "deviation": table.std(axis=1, ddof=1).tolist()}
            for curve, table in zip(CURVES, tables[figure], strict=True)
        }
        for figure in FIGURES
    }
    rows = [
        (figure, name, epoch, *numbers)
        for figure in FIGURES
        for name, curve in curves[figure].items()
        for epoch, numbers in enumerate(zip(*curve.values(), strict=True), start=1)
    ]
    work.write("curves.csv", ("figure", "curve", "epoch", "mean", "standard_deviation"), rows)
    return {"runs": work.settings.grid.runs, "curves": curves}


def show(done: FinishedPart, quick: bool) -> PartContents:
    """Show the two figures, and the numbers of the last epoch."""
    curves = done.results["curves"]

    def figure(name: str) -> Any:
        bands = {curve: plots.Band(*map(np.array, found.values())) for curve, found in curves[name].items()}
        return plots.bands_figure(bands, name)

    during, after, validation = (curves["loss"][curve]["mean"] for curve in CURVES)
    lag = sum(a > v for a, v in zip(during, validation, strict=True))
    widest = max(curves["loss"][curve]["deviation"][-1] for curve in CURVES)
    last = [
        (curve, *(spread(*(numbers[-1] for numbers in curves[name][curve].values())) for name in FIGURES))
        for curve in CURVES
    ]
    explained = _lag_in_words(during[-1], after[-1], validation[-1], widest)
    figures = {f"figure3{letter}": partial(figure, name) for letter, name in zip("ab", FIGURES, strict=True)}
    return PartContents(done.blocks({"lag": lag, "explained": explained}, {"last": last}, figures), [])


def _lag_in_words(during: float, after: float, validation: float, deviation: float) -> str:
    """Describe the part of the gap between training and validation that the lag explains, after the last epoch.

    A gap of less than two standard deviations of the runs counts as none.
    """
    measured = (
        f"Taken after the last epoch, with the weights that validation has, the training loss is {after:.4f} instead "
        f"of {during:.4f}, and the validation loss {validation:.4f}"
    )
    if during - validation < 2 * deviation:
        return f"{measured}: no gap beyond the spread of the runs."
    if after - validation < 2 * deviation:
        return f"{measured}: the lag explains all of the gap."
    share = (during - after) / (during - validation)
    return (
        f"{measured}: the lag explains {max(share, 0):.0%} of the gap. For the rest, the images that are held out "
        "must be the easier ones: the networks do better on them than on those that they were trained on."
    )


PART = ReportPart(
    "figure3",
    "Figures 3a and 3b: five runs",
    compute,
    show,
    config="figure3",
    demands=(SEVERAL_RUNS, VALIDATION, EVERY_EPOCH, CLASSES),
    quick={"data.name": "digits", "train.epochs": 3, "grid.runs": 2},
    aliases=("figure3a", "figure3b"),
)
