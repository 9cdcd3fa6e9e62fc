"""Tables 2 and 3: the shapes of all values and derivatives, taken from arrays of one image and of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from array_api_compat import device

from xpmlp import nn
from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend
from xpmlp.nn import Ops
from xpmlp.nn.layers.dense import per_example_gradients
from xpmlp.report import coursework
from xpmlp.report.comparison import Comparison, judged, same, within
from xpmlp.report.demands import CLASSES, DIGITS, ONE_HIDDEN_LAYER, ONE_TRAINING, SIGMOID
from xpmlp.report.document import Maths
from xpmlp.report.part import FinishedPart, PartContents, PartInputs, ReportPart
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.trainer import load_data, resolve_configured

TOLERANCE = 1e-5
"""Maximum relative difference, max|a - b| / max|b|, between two computations of the same float32 numbers."""


Value = tuple[str, str, Array]
"""A value or a derivative: its name, its formula, and the array."""


def values(ops: Ops, parameters: Parameters, x: Array, t: Array) -> list[Value]:
    """Compute the forward pass of an image, (n_in,), or of a batch, (batch, n_in), and all derivatives.

    The targets ``t`` are one-hot.  The values come first; the local derivatives and their products follow, backwards
    from the loss.
    """
    (W, b), (V, c) = ((layer.weights, layer.biases[0, :]) for layer in parameters)
    k = x @ W + b
    h = 1 / (1 + ops.xp.exp(-k))
    o = h @ V + c
    y = nn.softmax(ops, o)
    one = ops.xp.eye(y.shape[-1], dtype=y.dtype, device=device(y))
    by_o, h_by_k = y - t, h * (1 - h)
    by_h = by_o @ ops.xp.matrix_transpose(V)
    by_k = by_h * h_by_k
    return [
        ("k", "xW + b", k),
        ("h", "σ(k)", h),
        ("o", "hV + c", o),
        ("y", "softmax(o)", y),
        ("∂ℓ/∂y", "−t / y", -t / y),
        ("∂y/∂o", "y_i ([i = j] − y_j)", y[..., :, None] * (one - y[..., None, :])),
        ("∂ℓ/∂o", "y − t", by_o),
        ("∂o/∂h", "V, the same for every image", V),
        ("∂h/∂k", "h (1 − h), the diagonal", h_by_k),
        ("∂ℓ/∂h", "∂ℓ/∂o V^T", by_h),
        ("∂ℓ/∂k", "∂ℓ/∂h ⊙ h (1 − h)", by_k),
        ("∂ℓ/∂V", "h^T ∂ℓ/∂o", h[..., :, None] * by_o[..., None, :]),
        ("∂ℓ/∂c", "∂ℓ/∂o", by_o),
        ("∂ℓ/∂W", "x^T ∂ℓ/∂k", x[..., :, None] * by_k[..., None, :]),
        ("∂ℓ/∂b", "∂ℓ/∂k", by_k),
    ]


def compute(work: PartInputs) -> dict[str, Any]:
    """Compute the derivatives for a batch of training images and for one of them; compare values that must be equal."""
    config = work.settings
    backend = resolve_configured(config.backend).backend
    trainable = ConfigTrainable(config, load_data(config), backend)
    with backend.session(trainable.settings.batch_size):
        return _compute(work, trainable, backend)


def _compute(work: PartInputs, trainable: ConfigTrainable, backend: Backend) -> dict[str, Any]:
    ops, xp, size = backend.ops, backend.xp, trainable.settings.batch_size
    parameters = backend.parameters(
        [nn.DenseParameters(*layer) for layer in trainable.initial_parameters(trainable.config.train.seed)]
    )
    examples = trainable.train_examples
    x = xp.astype(examples.features[:size, :], backend.dtype) * trainable.network.input_scale
    t = nn.one_hot(ops, examples.targets[:size], examples.classes, backend.dtype)

    instance, batch = values(ops, parameters, x[0, :], t[0, :]), values(ops, parameters, x, t)
    shapes = [
        {"name": name, "how": how, "instance": list(one.shape), "batch": list(all_.shape)}
        for (name, how, one), (_, _, all_) in zip(instance, batch, strict=True)
    ]
    work.write(
        "shapes.csv",
        ("value", "formula", "instance", f"batch_of_{size}"),
        [(row["name"], row["how"], _shape(row["instance"]), _shape(row["batch"])) for row in shapes],
    )

    by = {name: array for name, _, array in batch}
    alone = {name: array for name, _, array in instance}
    network = trainable.network.root
    logits, residuals = network.forward(ops, parameters, x, ())
    _, factors = network.backward(ops, parameters, residuals, nn.cross_entropy(ops, logits, t)[1], False)
    each = [per_example_gradients(*pair) for pair in factors]
    mean = network.gradients(ops, factors, size)
    chained = (by["∂ℓ/∂y"][:, None, :] @ by["∂y/∂o"])[:, 0, :]
    pairs = {
        "∂ℓ/∂W: the mean over the batch and the batch's gradient": (xp.mean(each[0].weights, axis=0), mean[0].weights),
        "∂ℓ/∂V: the mean over the batch and the batch's gradient": (xp.mean(each[1].weights, axis=0), mean[1].weights),
        "∂ℓ/∂W: written out as above and from the program's factors": (by["∂ℓ/∂W"], each[0].weights),
        "∂ℓ/∂W: of the batch's first image and of that image alone": (each[0].weights[0, ...], alone["∂ℓ/∂W"]),
        "∂ℓ/∂o: as a product of the local derivatives and as y − t": (chained, by["∂ℓ/∂o"]),
    }
    checks = [{"check": name, "difference": _difference(backend, *pair)} for name, pair in pairs.items()]
    work.write("checks.csv", ("check", "largest_relative_difference"), [one.values() for one in checks])
    return {
        "batch": size,
        "data": trainable.dataset.name,
        "backend": backend.name,
        "shapes": shapes,
        "checks": checks,
        "per_example": [list(layer.weights.shape) for layer in each],
    }


def _difference(backend: Backend, a: Array, b: Array) -> float:
    found, expected = backend.to_numpy(a), backend.to_numpy(b)
    difference = float(abs(found - expected).max()) / float(abs(expected).max())
    return difference if math.isfinite(difference) else math.inf


def _shape(sizes: Sequence[int]) -> str:
    return "(" + ", ".join(map(str, sizes)) + ("," if len(sizes) == 1 else "") + ")"


def show(done: FinishedPart, quick: bool) -> PartContents:
    """Show the shapes, and the checks of equal values."""
    found = done.results
    shapes = [
        (Maths(row["name"]), Maths(row["how"]), _shape(row["instance"]), _shape(row["batch"]))
        for row in found["shapes"]
    ]
    differences = [(one["check"], one["difference"]) for one in found["checks"]]
    checks = [(name, f"{value:.1e}", within(value, TOLERANCE)) for name, value in differences]
    comparisons = [
        Comparison(
            "Table 3",
            f"∂ℓ/∂{name} of each example",
            _shape(printed),
            _shape(shape),
            judged(same(shape == printed), quick),
        )
        for name, printed, shape in zip("WV", coursework.PER_EXAMPLE_GRADIENTS, found["per_example"], strict=True)
    ]
    _, mean = differences[0]
    verdict = within(mean, TOLERANCE)
    comparisons.append(
        Comparison("Table 3", "their mean is the batch's gradient", "equal", f"within {mean:.0e}", verdict)
    )
    return PartContents(done.blocks({"tolerance": TOLERANCE}, {"shapes": shapes, "checks": checks}), comparisons)


PART = ReportPart(
    "tables2-3",
    "Tables 2 and 3: shapes",
    compute,
    show,
    config="figure2",
    demands=(ONE_TRAINING, ONE_HIDDEN_LAYER, SIGMOID, DIGITS, CLASSES),
    quick={"data.name": "digits"},
    aliases=("table2", "table3"),
)
