"""Figure 2: the loss of each batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpmlp import plots
from xpmlp.report.demands import CLASSES, ONE_TRAINING
from xpmlp.report.part import FinishedPart, PartContents, PartInputs, ReportPart
from xpmlp.report.parts.training import train_run


def compute(work: PartInputs) -> dict[str, Any]:
    """Train one network, and write the loss of every batch."""
    result = train_run(work, work.settings)
    losses = result.history.batch_losses
    steps = len(losses) // len(result.run.epochs)
    work.write(
        "batch_losses.csv",
        ("step", "epoch", "loss"),
        [(step + 1, step // steps + 1, loss) for step, loss in enumerate(losses.tolist())],
    )
    return {
        "steps_per_epoch": steps,
        "first": float(losses[0]),
        "last_epoch_mean": result.run.epochs[-1].train_loss,
        "last_epoch_deviation": float(np.std(losses[-steps:], ddof=1)),
    }


def show(done: FinishedPart, quick: bool) -> PartContents:
    """Show the curve."""
    losses = done.read("batch_losses.csv")["loss"]
    facts = plots.Facts("Figure 2", done.results["steps_per_epoch"], done.results["batch_size"])
    figures = {"figure2": lambda: plots.loss_figure(losses[:, np.newaxis], facts, plots.NARROW)}
    return PartContents(done.blocks({"steps": len(losses)}, figures=figures), [])


PART = ReportPart(
    "figure2",
    "Figure 2: the loss of each batch",
    compute,
    show,
    config="figure2",
    demands=(ONE_TRAINING, CLASSES),
    quick={"data.name": "digits", "train.epochs": 3},
)
