"""Figure 1: the plain-Python network, trained on the synthetic points."""

from __future__ import annotations

import math
from typing import Any

from xpmlp import plots, scalar
from xpmlp.report import coursework
from xpmlp.report.comparison import Comparison, at_most, judged
from xpmlp.report.demands import IN_PLAIN_PYTHON, ONE_HIDDEN_LAYER, ONE_TRAINING, SIGMOID
from xpmlp.report.part import FinishedPart, PartContents, PartInputs, ReportPart
from xpmlp.report.parts.training import divergence
from xpmlp.training.trainer import load_data

EARLY, EARLY_LOSS = 20, 0.06
"""Epoch and loss: the curve is expected below this loss by this epoch."""


def compute(work: PartInputs) -> dict[str, Any]:
    """Train by loops over lists of floats, and test the network on held-out points."""
    model, train = work.settings.model, work.settings.train
    dataset = load_data(work.settings)
    (hidden,) = model.hidden_layer_sizes
    network = scalar.initial(dataset.n_features, hidden, dataset.n_classes, seed=train.seed)
    losses = scalar.train(
        network,
        dataset.train.features,
        dataset.train.targets,
        epochs=train.length.epochs,
        learning_rate=train.learning_rate,
        seed=train.seed,
    )
    if not all(map(math.isfinite, losses)):
        raise divergence(work, "the network of Figure 1")
    work.write("epochs.csv", ("epoch", "train_loss"), list(enumerate(losses, start=1)))
    rows = [
        (layer, row, column, value)
        for layer, (weights, biases) in zip(("W, b", "V, c"), network, strict=True)
        for row, values in enumerate([*weights, biases])
        for column, value in enumerate(values)
    ]
    work.write("network.csv", ("layer", "row", "column", "value"), rows)
    held_out = dataset.validation
    assert held_out is not None
    logits = [scalar.forward(network, x)[1] for x in held_out.features.tolist()]
    right = sum(o.index(max(o)) == target for o, target in zip(logits, held_out.targets.tolist(), strict=True))
    work.write("validation.csv", ("points", "right"), [(len(held_out), right)])
    return {
        "points": len(dataset.train),
        "hidden": hidden,
        "losses": losses,
        "validation_points": len(held_out),
        "validation_accuracy": right / len(held_out),
        "network": network,
    }


def trained(done: FinishedPart) -> scalar.Network:
    """Return the network trained by this part."""
    hidden, output = (scalar.Layer(weights, biases) for weights, biases in done.results["network"])
    return scalar.Network(hidden, output)


def show(done: FinishedPart, quick: bool) -> PartContents:
    """Show the curve."""
    losses: list[float] = done.results["losses"]
    printed, last, by_early = coursework.FIGURE_1_LAST_LOSS, losses[-1], min(losses[:EARLY])
    below = next((epoch for epoch, loss in enumerate(losses, start=1) if loss < EARLY_LOSS), None)
    reached = f"falls below {EARLY_LOSS} in epoch {below}" if below else f"stays above {EARLY_LOSS}"
    columns = done.read("epochs.csv")
    figures = {"figure1": lambda: plots.mean_loss_figure(columns["train_loss"], printed)}
    early = judged(at_most(by_early, EARLY_LOSS), quick)
    comparisons = [
        Comparison("Figure 1", f"lowest loss by epoch {EARLY}", f"below {EARLY_LOSS}", f"{by_early:.4f}", early),
        Comparison(
            "Figure 1", "last training loss", f"about {printed}", f"{last:.4f}", judged(at_most(last, printed), quick)
        ),
    ]
    return PartContents(done.blocks({"reached": reached, "last": last}, figures=figures), comparisons)


PART = ReportPart(
    "figure1",
    "Figure 1: training in plain Python",
    compute,
    show,
    config="figure1",
    demands=(ONE_TRAINING, ONE_HIDDEN_LAYER, SIGMOID, IN_PLAIN_PYTHON),
    quick={"train.epochs": 3, "data.validation_size": 69_000},
    beside=True,
)
