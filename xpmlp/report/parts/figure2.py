"""Figure 2: the loss of each batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpmlp.report.demands import CLASSES, ONE_TRAINING
from xpmlp.report.document import Block, Paragraph, Picture
from xpmlp.report.numbers import read_csv, write_csv
from xpmlp.report.part import Done, Part, Shown, Work
from xpmlp.report.parts.training import train_run
from xpmlp.report.words import counted


def compute(work: Work) -> dict[str, Any]:
    """Train one network, and keep every batch's loss."""
    result = train_run(work, work.settings)
    losses = result.history.batch_losses
    steps = len(losses) // len(result.run.epochs)
    write_csv(
        work.folder / "batch_losses.csv",
        ("step", "epoch", "loss"),
        [(step + 1, step // steps + 1, loss) for step, loss in enumerate(losses.tolist())],
    )
    train = work.settings.train
    return {
        "steps_per_epoch": steps,
        "batch_size": train.batch_size,
        "learning_rate": train.learning_rate,
        "epochs": train.epochs,
        "first": float(losses[0]),
        "last_epoch_mean": result.run.epochs[-1].train_loss,
        "last_epoch_deviation": float(np.std(losses[-steps:], ddof=1)),
    }


def show(done: Done, quick: bool) -> Shown:
    """The curve."""
    from xpmlp import plots

    found = done.results
    losses = read_csv(done.folder / "batch_losses.csv")["loss"]
    facts = plots.Facts("Figure 2", found["steps_per_epoch"], found["batch_size"])
    stem = done.folder / "figure2"
    plots.draw(stem, lambda: plots.loss_figure(losses[:, np.newaxis], facts, plots.NARROW))
    blocks: list[Block] = [
        Paragraph(
            f"{counted(found['epochs'], 'epoch')} with batches of {found['batch_size']} and learning rate "
            f"{found['learning_rate']:g}: {len(losses):,} steps. The loss begins at {found['first']:.3f}, about the "
            f"logarithm of the number of classes. In the last epoch it is {found['last_epoch_mean']:.3f} on average, "
            f"with a standard deviation of {found['last_epoch_deviation']:.3f} from batch to batch: the scatter is "
            "that of which images a batch happens to hold."
        ),
        Picture(
            stem,
            f"Loss of each of {len(losses):,} batches, with a smoothed line, in the end {found['last_epoch_mean']:.2f}",
            "Figure 2. The training loss of each batch, before its step.",
            [done.source("batch_losses.csv"), done.source("run/epochs.csv")],
        ),
    ]
    return Shown(blocks, [])


PART = Part(
    "figure2",
    "Figure 2: the loss of each batch",
    compute,
    show,
    config="figure2",
    demands=(ONE_TRAINING, CLASSES),
    quick={"data.name": "digits", "train.epochs": 3},
)
