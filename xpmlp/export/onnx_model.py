"""Saved networks as ONNX models: from raw columns to labels and probabilities, or values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xpmlp._files import write_bytes
from xpmlp.data.tables.targets import Target
from xpmlp.export.graph import ML_OPSET, ONNX, OPSET, Graph, f32, f64, shape
from xpmlp.export.onnx_columns import encoded_columns
from xpmlp.export.onnx_layers import Batch, layer
from xpmlp.export.tree import NotExportableError, layer_tree, output_transform
from xpmlp.storage import SavedNetwork
from xpmlp.training.decision import Decision, saved_decision
from xpmlp.training.table_prediction import table_model

FEATURES, CODES = "features", "codes"
"""Names of the inputs of a network trained on arrays."""

LABEL, PROBABILITIES, PREDICTION = "label", "probabilities", "prediction"
"""Names of the outputs: for classes and flags the first two, else the third; with `_` if a column has the name."""


def write_onnx(path: Path, saved: SavedNetwork) -> None:
    """Write a network as an ONNX model, whole or not at all.

    Raises
    ------
    NotExportableError
        If it has a part from outside the package, a text column with hashed words, a table without usable columns, a
        column in a time zone that is not known here, or an integer label that int64 cannot hold.
    BackendError
        If onnx is not installed.
    OSError
        If the file cannot be written.
    """
    write_bytes(path, onnx_bytes(saved))


def onnx_bytes(saved: SavedNetwork) -> bytes:
    """Return the content of the file that `write_onnx` writes."""
    transform = output_transform(saved)
    root = layer_tree(saved.network, saved.parameters)
    with ONNX.needed_by("the format onnx"):
        import onnx  # noqa: F401
    model = table_model(saved)
    graph = Graph([] if model is None else [one.column.name for one in model.encoding.columns])
    x = _arrays(graph, saved) if model is None else encoded_columns(graph, model.encoding)
    if saved.network.input_scale != 1:
        x = x._replace(numbers=graph("Mul", x.numbers, f32(saved.network.input_scale)))
    outputs = _mean(graph, TRANSFORMS[transform](graph, layer(graph, root, x)), saved)
    facts = {"opset": f"ai.onnx {OPSET}, ai.onnx.ml {ML_OPSET}"}
    if saved.network.loss.targets == "values":
        _values(graph, saved, outputs, None if model is None else model.target)
        facts["outputs"] = json.dumps(saved.network.loss.output_names(saved.target_names))
    else:
        _classes(graph, saved, outputs)
        facts["classes"] = json.dumps(saved.classes.tolist() or list(saved.target_names))
    return graph.model(f"A network that xpmlp has trained, in ONNX's opset {OPSET}.", facts)


def _arrays(graph: Graph, saved: SavedNetwork) -> Batch:
    """Add the inputs of a network trained on arrays, standardised in float64 as by its preprocessing."""
    widths, (mean, std) = saved.network.widths, (saved.preprocessing.mean, saved.preprocessing.std)
    names = "" if saved.feature_names is None else f": {', '.join(saved.feature_names)}"
    raw = graph.input(FEATURES, np.float64, widths.numbers, f"numbers as the training data had them{names}"[:10_000])
    if mean is not None and std is not None:
        raw = graph("Div", graph("Sub", raw, f64(mean)), f64(std))
    codes = None
    if widths.codes:
        given = graph.input(CODES, np.int64, len(widths.codes), "categories; 0 for one never seen, 1 for a missing one")
        known = graph("Less", given, shape(*widths.codes))
        codes = graph("Where", known, given, shape(0))
    return Batch(graph.cast(raw, np.float32), codes)


TRANSFORMS: dict[str, Callable[[Graph, str], str]] = {
    "identity": lambda graph, logits: logits,
    "exp": lambda graph, logits: graph("Exp", logits),
    "logistic": lambda graph, logits: graph("Sigmoid", logits),
    "softmax": lambda graph, logits: graph("Softmax", logits, axis=-1),
}


def _mean(graph: Graph, rows: str, saved: SavedNetwork) -> str:
    """Average over the members of a vote."""
    root = saved.network.root
    if root.repeats == 1:
        return rows
    return graph("ReduceMean", graph("Reshape", rows, shape(root.repeats, -1, root.width)), shape(0), keepdims=0)


def _values(graph: Graph, saved: SavedNetwork, outputs: str, target: Target | None) -> None:
    """Add the output of predictions, in the units of the data and in float64."""
    values, width = graph.cast(outputs, np.float64), saved.network.root.width
    if target is not None and target.centers:
        times = width // len(target.centers)
        values = graph("Mul", values, f64(np.repeat(target.scales, times)))
        values = graph("Add", values, f64(np.repeat(target.centers, times)))
    if target is not None and target.log:
        values = graph("Exp", values)
    graph.output(graph.free(PREDICTION), values, np.float64, ["N", width], "values")


def _classes(graph: Graph, saved: SavedNetwork, outputs: str) -> None:
    """Add the outputs of labels, by the network's decision, and of probabilities."""
    width, decision = saved.network.root.width, saved_decision(saved) or Decision()
    if saved.classes.size and width == 1:
        outputs, width = graph("Concat", graph("Sub", f32(1.0), outputs), outputs, axis=1), 2
    chosen = _chosen(graph, graph.cast(outputs, np.float64), decision, flags=not saved.classes.size)
    if saved.classes.size:
        classes = np.resize(_plain(saved.classes), width)  # a single class is chosen by either index
        graph.output(graph.free(LABEL), graph("Gather", classes, chosen), classes.dtype, ["N"], "the class")
    else:
        graph.output(graph.free(LABEL), chosen, np.int64, ["N", width], "yes, 1, or no, 0")
    about = "of the classes in the order of the metadata's `classes`"
    graph.output(graph.free(PROBABILITIES), outputs, np.float32, ["N", width], about)


def _chosen(graph: Graph, probabilities: str, decision: Decision, *, flags: bool) -> str:
    """Choose as `Decision.choose` does: indices of classes (N,), or yes and no (N, n_outputs)."""
    if flags or decision.thresholds:
        thresholds = f64(decision.thresholds or (0.5,))
        return graph.cast(graph("Greater", probabilities, thresholds), np.int64)
    if decision.costs:
        return graph("ArgMin", graph("MatMul", probabilities, f64(decision.costs)), axis=1, keepdims=0)
    if decision.weights:
        probabilities = graph("Mul", probabilities, f64(decision.weights))
    return graph("ArgMax", probabilities, axis=1, keepdims=0)


def _plain(classes: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Convert labels to a type that ONNX has, or raise `NotExportableError`."""
    if classes.dtype.kind == "u" and classes.max() > np.iinfo(np.int64).max:
        raise NotExportableError(
            f"the label {classes.max()} is above 2**63 - 1, the largest integer label in ONNX: train with strings or "
            "smaller numbers as labels"
        )
    if classes.dtype.kind == "U":
        return classes.astype(object)
    return classes.astype(np.int64) if classes.dtype.kind in "iu" else classes
