"""Beyond the coursework: the features learned by the networks, and their mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpmlp import plots, scalar
from xpmlp.data import load
from xpmlp.report.part import FinishedPart, PartContents, PartInputs, ReportPart
from xpmlp.report.parts import figure1
from xpmlp.report.parts.training import RUN
from xpmlp.storage import load_network
from xpmlp.storage.run_folder import read
from xpmlp.training import predict
from xpmlp.training.trainer import load_data

GRID_POINTS, REACH = 121, 3.0
"""Number of grid points per side of the plane, from -REACH to REACH."""

POINTS, UNITS, WRONG = 1_500, 20, 20
"""Numbers of points of synth, hidden units and wrong images to show."""


def compute(work: PartInputs) -> dict[str, Any]:
    """Examine the networks of Figure 1 and of the final training."""
    return {**_boundary(work), **_units(work), **_mistakes(work)}


def _boundary(work: PartInputs) -> dict[str, Any]:
    """Evaluate Figure 1's network on a grid over the plane, and on held-out points."""
    done = work.needed["figure1"]
    network = figure1.trained(done)
    places = np.linspace(-REACH, REACH, GRID_POINTS).tolist()
    work.write(
        "boundary.csv",
        ("x1", "x2", "probability"),
        [(a, b, _probability(network, [a, b])) for b in places for a in places],
    )
    held_out = load("synth").validation
    assert held_out is not None
    pairs = list(zip(held_out.features[:POINTS].tolist(), held_out.targets[:POINTS].tolist(), strict=True))
    rows = [(*x, target, int(_probability(network, x) > 0.5)) for x, target in pairs]
    work.write("points.csv", ("x1", "x2", "class", "predicted"), rows)
    return {"points": len(rows), "points_wrong": sum(target != found for *_, target, found in rows)}


def _probability(network: scalar.Network, x: list[float]) -> float:
    """Return the probability of class 1."""
    _, (o_0, o_1) = scalar.forward(network, x)
    return scalar.sigmoid(o_1 - o_0)


def _units(work: PartInputs) -> dict[str, Any]:
    """Write the incoming weights of the hidden units with the largest outgoing weights."""
    network = load_network(work.needed["final"].folder / RUN / "weights.safetensors")
    (W, _), (V, _) = network.parameters
    norms = np.linalg.norm(V, axis=1)
    chosen = np.argsort(-norms, kind="stable")[:UNITS]
    work.write(
        "hidden_units.csv",
        ("unit", "outgoing_norm", *(f"weight_{pixel}" for pixel in range(len(W)))),
        [(unit, norms[unit], *W[:, unit].tolist()) for unit in chosen.tolist()],
    )
    return {"units": len(chosen), "hidden": W.shape[1]}


def _mistakes(work: PartInputs) -> dict[str, Any]:
    """Predict each test image with the final network; write the confusion matrix and the most confident mistakes."""
    run = work.needed["final"].folder / RUN
    config, _ = read(run)
    dataset = load_data(config)
    assert dataset.test is not None
    found = predict(run, dataset.test.features)
    targets, predicted = dataset.test.targets, found.outputs.argmax(axis=1)
    labels = [str(label) for label in dataset.classes.tolist()]
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (targets, predicted), 1)
    work.write(
        "confusion.csv",
        ("class", *(f"predicted_{label}" for label in labels)),
        [(label, *row) for label, row in zip(labels, confusion.tolist(), strict=True)],
    )
    confidence = found.outputs.max(axis=1)
    wrong = np.flatnonzero(predicted != targets)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:WRONG]
    work.write(
        "wrong.csv",
        ("test_image", "class", "predicted", "probability", *(f"pixel_{i}" for i in range(dataset.n_features))),
        [
            (index, targets[index], predicted[index], confidence[index], *dataset.test.features[index].tolist())
            for index in worst.tolist()
        ],
    )
    height, width = dataset.image_shape or (1, dataset.n_features)
    off_diagonal = confusion - np.diag(np.diag(confusion))
    true, given = np.unravel_index(int(off_diagonal.argmax()), confusion.shape)
    return {
        "images": len(targets),
        "wrong": len(wrong),
        "accuracy_of_final": work.needed["final"].results["accuracy"],
        "image_shape": [height, width],
        "labels": labels,
        "most_confused": [labels[true], labels[given], int(off_diagonal[true, given])],
        "recall": [int(row[i]) / int(row.sum()) for i, row in enumerate(confusion)],
    }


def show(done: FinishedPart, quick: bool) -> PartContents:
    """Show the pictures."""
    found = done.results
    accuracy = 1 - found["wrong"] / found["images"]
    agrees = "the final accuracy again" if abs(accuracy - found["accuracy_of_final"]) < 1e-9 else "another accuracy"
    recall = sorted(zip(found["labels"], found["recall"], strict=True), key=lambda pair: float(pair[1]))
    names = ("boundary", "points", "hidden_units", "confusion", "wrong")
    plane, points, units, confusion, wrong = (done.read(f"{name}.csv") for name in names)
    counts = np.stack([column for name, column in confusion.items() if name != "class"], axis=1)
    captions = [
        f"{true:.0f}, not {given:.0f}\n{probability:.2%}"
        for true, given, probability in zip(wrong["class"], wrong["predicted"], wrong["probability"], strict=True)
    ]
    shape = tuple(found["image_shape"])
    figures = {
        "boundary": lambda: plots.boundary_figure(plane, points),
        "hidden_units": lambda: plots.images_figure(_images(units, "weight", shape), None, signed=True),
        "confusion": lambda: plots.confusion_figure(counts, found["labels"]),
        "wrong": lambda: plots.images_figure(_images(wrong, "pixel", shape), captions, signed=False),
    }
    rows = [(label, f"{part:.1%}") for label, part in recall]
    return PartContents(done.blocks({"accuracy": accuracy, "agrees": agrees}, {"recall": rows}, figures), [])


def _images(columns: dict[str, Any], prefix: str, shape: tuple[int, ...]) -> Any:
    """Stack the columns of pixels as (images, height, width)."""
    pixels = np.stack([column for name, column in columns.items() if name.startswith(f"{prefix}_")], axis=1)
    return pixels.reshape(-1, *shape)


PART = ReportPart("beyond", "Beyond the coursework", compute, show, needs=("figure1", "final"))
