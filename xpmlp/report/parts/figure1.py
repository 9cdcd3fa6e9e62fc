"""Figure 1: the plain-Python network, trained on the synthetic points."""

from __future__ import annotations

import math
from typing import Any

from xpmlp import scalar
from xpmlp.report import coursework
from xpmlp.report.comparison import NOT_COMPARABLE, Comparison, at_most
from xpmlp.report.demands import IN_PLAIN_PYTHON, ONE_HIDDEN_LAYER, ONE_TRAINING, SIGMOID
from xpmlp.report.document import Block, Paragraph, Picture
from xpmlp.report.numbers import read_csv, write_csv
from xpmlp.report.part import Done, Part, Shown, Work
from xpmlp.report.parts.training import divergence
from xpmlp.report.words import counted
from xpmlp.training.trainer import load_data

EARLY, EARLY_LOSS = 20, 0.06
"""The curve is expected below this loss by this epoch."""


def compute(work: Work) -> dict[str, Any]:
    """Train by loops over lists of floats, and try the network on the points that were held out."""
    model, train = work.settings.model, work.settings.train
    dataset = load_data(work.settings)
    (hidden,) = model.hidden_layer_sizes
    network = scalar.initial(dataset.n_features, hidden, dataset.n_classes, seed=train.seed)
    losses = scalar.train(
        network,
        dataset.train.features,
        dataset.train.targets,
        epochs=train.epochs,
        learning_rate=train.learning_rate,
        seed=train.seed,
    )
    if not all(map(math.isfinite, losses)):
        raise divergence(work, "the network of Figure 1")
    write_csv(work.folder / "epochs.csv", ("epoch", "train_loss"), list(enumerate(losses, start=1)))
    _write_network(work, network)
    held_out = dataset.validation
    assert held_out is not None
    logits = [scalar.forward(network, x)[1] for x in held_out.features.tolist()]
    right = sum(o.index(max(o)) == target for o, target in zip(logits, held_out.targets.tolist(), strict=True))
    write_csv(work.folder / "validation.csv", ("points", "right"), [(len(held_out), right)])
    return {
        "points": len(dataset.train),
        "epochs": train.epochs,
        "learning_rate": train.learning_rate,
        "hidden": hidden,
        "losses": losses,
        "validation_points": len(held_out),
        "validation_accuracy": right / len(held_out),
        "network": [[layer.weights, layer.biases] for layer in network],
    }


def _write_network(work: Work, network: scalar.Network) -> None:
    rows = [
        (layer, row, column, value)
        for layer, (weights, biases) in zip(("W, b", "V, c"), network, strict=True)
        for row, values in enumerate([*weights, biases])
        for column, value in enumerate(values)
    ]
    write_csv(work.folder / "network.csv", ("layer", "row", "column", "value"), rows)


def trained(done: Done) -> scalar.Network:
    """The network that this part has trained."""
    hidden, output = (scalar.Layer(weights, biases) for weights, biases in done.results["network"])
    return scalar.Network(hidden, output)


def show(done: Done, quick: bool) -> Shown:
    """The curve."""
    from xpmlp import plots

    found = done.results
    losses: list[float] = found["losses"]
    columns = read_csv(done.folder / "epochs.csv")
    stem = done.folder / "figure1"
    plots.draw(
        stem,
        lambda: plots.mean_loss_figure(columns["train_loss"], coursework.FIGURE_1_LAST_LOSS),
        "Figure 1: mean training loss by epoch",
    )
    by_early = min(losses[:EARLY])
    verdicts = [at_most(by_early, EARLY_LOSS), at_most(losses[-1], coursework.FIGURE_1_LAST_LOSS)]
    if quick:
        verdicts = [NOT_COMPARABLE] * 2
    below = next((epoch for epoch, loss in enumerate(losses, start=1) if loss < EARLY_LOSS), None)
    reached = f"falls below {EARLY_LOSS} in epoch {below}" if below else f"stays above {EARLY_LOSS}"
    blocks: list[Block] = [
        Paragraph(
            f"Two inputs, {found['hidden']} sigmoid units, two classes: loops over Python's floats, one of "
            f"{found['points']:,} points at a time, for {counted(found['epochs'], 'epoch')} with learning rate "
            f"{found['learning_rate']:g}. The mean training loss {reached} and ends at {losses[-1]:.4f}; of the "
            f"{found['validation_points']:,} points that were held out, {found['validation_accuracy']:.2%} are right."
        ),
        Picture(
            stem,
            f"Mean training loss by epoch, from {losses[0]:.3f} down to {losses[-1]:.4f}",
            "Figure 1. Mean training loss of each epoch, each point's loss taken just before its step.",
            [done.source(f"{name}.csv") for name in ("epochs", "validation", "network")],
        ),
    ]
    last = f"about {coursework.FIGURE_1_LAST_LOSS}"
    comparisons = [
        Comparison("Figure 1", f"lowest loss by epoch {EARLY}", f"below {EARLY_LOSS}", f"{by_early:.4f}", verdicts[0]),
        Comparison("Figure 1", "last training loss", last, f"{losses[-1]:.4f}", verdicts[1]),
    ]
    return Shown(blocks, comparisons)


PART = Part(
    "figure1",
    "Figure 1: training in plain Python",
    compute,
    show,
    config="figure1",
    demands=(ONE_TRAINING, ONE_HIDDEN_LAYER, SIGMOID, IN_PLAIN_PYTHON),
    quick={"train.epochs": 3, "data.validation_size": 69_000},
    beside=True,
)
