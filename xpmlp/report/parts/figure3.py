"""Figures 3a and 3b: loss and accuracy by epoch over several runs, during an epoch and after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpmlp.report.comparison import spread
from xpmlp.report.demands import CLASSES, EVERY_EPOCH, SEVERAL_RUNS, VALIDATION
from xpmlp.report.document import Block, Gallery, Paragraph, Picture, Table
from xpmlp.report.numbers import by_run, read_csv, write_csv
from xpmlp.report.part import Done, Part, Shown, Work
from xpmlp.report.parts.training import RUN, divergence, train_runs
from xpmlp.training import Status

CURVES = ("training, during the epoch", "training, after the epoch", "validation, after the epoch")
FIGURES = ("loss", "accuracy")


def compute(work: Work) -> dict[str, Any]:
    """Train a run for each seed, the training images evaluated after each epoch, too."""
    if any(run.status is Status.DIVERGED for run in train_runs(work, work.settings).runs):
        raise divergence(work, "a run of Figures 3a and 3b")
    epochs, after = (read_csv(work.folder / RUN / name) for name in ("epochs.csv", "train_after.csv"))
    tables = {
        (figure, curve): by_run(columns, f"{prefix}_{figure}")
        for figure in FIGURES
        for curve, columns, prefix in zip(
            CURVES, (epochs, after, epochs), ("train", "train", "validation"), strict=True
        )
    }
    rows = [
        (figure, curve, epoch, table[epoch - 1].mean(), table[epoch - 1].std(ddof=1))
        for (figure, curve), table in tables.items()
        for epoch in range(1, len(table) + 1)
    ]
    write_csv(work.folder / "curves.csv", ("figure", "curve", "epoch", "mean", "standard_deviation"), rows)
    return {
        "runs": work.settings.grid.runs,
        "epochs": work.settings.train.epochs,
        "curves": {
            figure: {
                curve: {
                    "mean": tables[figure, curve].mean(axis=1).tolist(),
                    "deviation": tables[figure, curve].std(axis=1, ddof=1).tolist(),
                }
                for curve in CURVES
            }
            for figure in FIGURES
        },
    }


def show(done: Done, quick: bool) -> Shown:
    """The two figures, and the last epoch in numbers."""
    from xpmlp import plots

    found = done.results
    runs, epochs, curves = found["runs"], found["epochs"], found["curves"]
    pictures = []
    for letter, figure, title in zip("ab", FIGURES, ("mean loss", "accuracy"), strict=True):
        stem = done.folder / f"figure3{letter}"
        bands = {
            name: plots.Band(np.array(curve["mean"]), np.array(curve["deviation"]))
            for name, curve in curves[figure].items()
        }
        heading = f"Figure 3{letter}: {title} by epoch"
        plots.draw(stem, lambda bands=bands, figure=figure: plots.bands_figure(bands, figure), heading)  # type: ignore[misc]
        pictures.append(
            Picture(
                stem,
                f"{title.capitalize()} by epoch: training during and after each epoch, and validation",
                f"Figure 3{letter}. The {title} of {runs} runs, with one standard deviation as a band.",
                [done.source("curves.csv"), done.source(f"{RUN}/epochs.csv"), done.source(f"{RUN}/train_after.csv")],
            )
        )
    during, after, validation = (curves["loss"][curve]["mean"] for curve in CURVES)
    lag = sum(a > v for a, v in zip(during, validation, strict=True))
    spread_last = max(curves["loss"][curve]["deviation"][-1] for curve in CURVES)
    rows = [
        (
            curve,
            *(spread(curves[figure][curve]["mean"][-1], curves[figure][curve]["deviation"][-1]) for figure in FIGURES),
        )
        for curve in CURVES
    ]
    blocks: list[Block] = [
        Paragraph(
            f"{runs} runs of Figure 2's training with seeds of their own. The training loss that a program gets for "
            "free is taken during the epoch, from weights that still change, so it lags behind: it is higher than "
            f"the validation loss in {lag} of {epochs} epochs. That is the coursework's explanation of why "
            f"validation looks better than training. {_explained(during[-1], after[-1], validation[-1], spread_last)}"
        ),
        Gallery(pictures),
        Table(
            ("figures", "loss", "accuracy"),
            rows,
            f"After {epochs} epochs: mean ± standard deviation of {runs} runs.",
            [done.source("curves.csv")],
            numeric=frozenset({1, 2}),
        ),
    ]
    return Shown(blocks, [])


def _explained(during: float, after: float, validation: float, deviation: float) -> str:
    """How much of the gap between training and validation the lag explains, after the last epoch.

    A gap of less than two standard deviations of the runs is taken for none.
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


PART = Part(
    "figure3",
    "Figures 3a and 3b: five runs",
    compute,
    show,
    config="figure3",
    demands=(SEVERAL_RUNS, VALIDATION, EVERY_EPOCH, CLASSES),
    quick={"data.name": "digits", "train.epochs": 3, "grid.runs": 2},
    aliases=("figure3a", "figure3b"),
)
