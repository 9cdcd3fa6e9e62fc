"""Tables 2 and 3: the shapes of all values and derivatives, read off arrays of one image and of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from xpmlp import nn
from xpmlp._typing import Array, Parameters
from xpmlp.backend import Backend
from xpmlp.nn import Ops
from xpmlp.nn.layers.dense import per_example_gradients
from xpmlp.report import coursework
from xpmlp.report.comparison import NOT_COMPARABLE, Comparison, same, within
from xpmlp.report.demands import CLASSES, DIGITS, ONE_HIDDEN_LAYER, ONE_TRAINING, SIGMOID
from xpmlp.report.document import Block, Maths, Paragraph, Table
from xpmlp.report.numbers import write_csv
from xpmlp.report.part import Done, Part, Shown, Work
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.trainer import load_data, resolve_configured

TOLERANCE = 1e-5
"""The largest relative difference, max|a - b| / max|b|, between two ways to the same float32 numbers."""


class Value(NamedTuple):
    """A value or a derivative: its name, how it is computed, and the array."""

    name: str
    how: str
    array: Array


def values(ops: Ops, parameters: Parameters, x: Array) -> list[Value]:
    """The forward pass of an image, (n_in,), or of a batch, (batch, n_in)."""
    (W, b), (V, c) = ((layer.weights, layer.biases[0, :]) for layer in parameters)
    k = x @ W + b
    h = 1 / (1 + ops.xp.exp(-k))
    o = h @ V + c
    return [
        Value("k", "xW + b", k),
        Value("h", "σ(k)", h),
        Value("o", "hV + c", o),
        Value("y", "softmax(o)", nn.softmax(ops, o)),
    ]


def derivatives(ops: Ops, parameters: Parameters, x: Array, t: Array) -> list[Value]:
    """The local derivatives and their products, back from the loss; ``t`` the one-hot targets."""
    _, h, _, y = (value.array for value in values(ops, parameters, x))
    V, one = parameters[1].weights, ops.xp.eye(y.shape[-1], dtype=y.dtype, device=_device(y))
    y_by_o = y[..., :, None] * (one - y[..., None, :])
    by_y, by_o = -t / y, y - t
    by_h, h_by_k = by_o @ ops.xp.matrix_transpose(V), h * (1 - h)
    by_k = by_h * h_by_k
    return [
        Value("∂ℓ/∂y", "−t / y", by_y),
        Value("∂y/∂o", "y_i ([i = j] − y_j)", y_by_o),
        Value("∂ℓ/∂o", "y − t", by_o),
        Value("∂o/∂h", "V, the same for every image", V),
        Value("∂h/∂k", "h (1 − h), the diagonal", h_by_k),
        Value("∂ℓ/∂h", "∂ℓ/∂o V^T", by_h),
        Value("∂ℓ/∂k", "∂ℓ/∂h ⊙ h (1 − h)", by_k),
        Value("∂ℓ/∂V", "h^T ∂ℓ/∂o", h[..., :, None] * by_o[..., None, :]),
        Value("∂ℓ/∂c", "∂ℓ/∂o", by_o),
        Value("∂ℓ/∂W", "x^T ∂ℓ/∂k", x[..., :, None] * by_k[..., None, :]),
        Value("∂ℓ/∂b", "∂ℓ/∂k", by_k),
    ]


def _device(array: Array) -> Any:
    from array_api_compat import device

    return device(array)


def compute(work: Work) -> dict[str, Any]:
    """Derive a batch of the training images, one image of it alone, and compare what must be equal."""
    config = work.settings
    backend = resolve_configured(config.backend).backend
    trainable = ConfigTrainable(config, load_data(config), backend)
    with backend.session(config.train.batch_size):
        return _compute(work, trainable, backend)


def _compute(work: Work, trainable: ConfigTrainable, backend: Backend) -> dict[str, Any]:
    ops, xp, size = backend.ops, backend.xp, trainable.config.train.batch_size
    parameters = backend.parameters(
        [nn.DenseParameters(*layer) for layer in trainable.initial_parameters(trainable.config.train.seed)]
    )
    examples = trainable.train_examples
    x = xp.astype(examples.features[:size, :], backend.dtype) * trainable.network.input_scale
    t = nn.one_hot(ops, examples.targets[:size], examples.classes, backend.dtype)

    instance = [*values(ops, parameters, x[0, :]), *derivatives(ops, parameters, x[0, :], t[0, :])]
    batch = [*values(ops, parameters, x), *derivatives(ops, parameters, x, t)]
    shapes = [
        {"name": one.name, "how": one.how, "instance": list(one.array.shape), "batch": list(all_.array.shape)}
        for one, all_ in zip(instance, batch, strict=True)
    ]
    write_csv(
        work.folder / "shapes.csv",
        ("value", "formula", "instance", f"batch_of_{size}"),
        [(row["name"], row["how"], _shape(row["instance"]), _shape(row["batch"])) for row in shapes],
    )

    by_name = {value.name: value.array for value in batch}
    network = trainable.network.root
    logits, residuals = network.forward(ops, parameters, x, ())
    _, factors = network.backward(ops, parameters, residuals, nn.cross_entropy(ops, logits, t)[1], False)
    each = [per_example_gradients(*pair) for pair in factors]
    mean = network.gradients(ops, factors, size)
    chained = (by_name["∂ℓ/∂y"][:, None, :] @ by_name["∂y/∂o"])[:, 0, :]
    pairs = [
        ("∂ℓ/∂W: the mean over the batch and the batch's gradient", xp.mean(each[0].weights, axis=0), mean[0].weights),
        ("∂ℓ/∂V: the mean over the batch and the batch's gradient", xp.mean(each[1].weights, axis=0), mean[1].weights),
        ("∂ℓ/∂W: written out as above and from the program's factors", by_name["∂ℓ/∂W"], each[0].weights),
        ("∂ℓ/∂W: of the batch's first image and of that image alone", each[0].weights[0, ...], instance[-2].array),
        ("∂ℓ/∂o: as a product of the local derivatives and as y − t", chained, by_name["∂ℓ/∂o"]),
    ]
    checks = [{"check": name, "difference": _difference(backend, a, b)} for name, a, b in pairs]
    write_csv(
        work.folder / "checks.csv",
        ("check", "largest_relative_difference"),
        [(check["check"], check["difference"]) for check in checks],
    )
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


def show(done: Done, quick: bool) -> Shown:
    """The shapes, and what must be equal."""
    found = done.results
    rows = [
        (Maths(row["name"]), Maths(row["how"]), _shape(row["instance"]), _shape(row["batch"]))
        for row in found["shapes"]
    ]
    caption = "Shapes of the values of the forward pass and of all derivatives, as the arrays have them."
    checks = [
        (check["check"], f"{check['difference']:.1e}", within(check["difference"], TOLERANCE))
        for check in found["checks"]
    ]
    blocks: list[Block] = [
        Paragraph(
            f"One image of {found['data']}, and a batch of {found['batch']}, through the same array code on "
            f"{found['backend']}. The gradients of each example by itself are outer products of two factors; their "
            "mean over the batch is the gradient that a training step uses, and is computed without them."
        ),
        Table(
            ("value", "formula", "one image", f"batch of {found['batch']}"),
            rows,
            f"Tables 2 and 3. {caption}",
            [done.source("shapes.csv")],
        ),
        Table(
            ("check", "difference", "verdict"),
            checks,
            f"Two ways to the same numbers: the largest difference, relative to the largest number. It holds up to "
            f"{TOLERANCE:.0e}.",
            [done.source("checks.csv")],
            numeric=frozenset({1}),
        ),
    ]
    comparisons = [
        Comparison(
            "Table 3",
            f"∂ℓ/∂{name} of each example",
            _shape(printed),
            _shape(shape),
            NOT_COMPARABLE if quick else same(shape == printed),
        )
        for name, printed, shape in zip("WV", coursework.PER_EXAMPLE_GRADIENTS, found["per_example"], strict=True)
    ]
    mean = found["checks"][0]["difference"]
    comparisons.append(
        Comparison(
            "Table 3", "their mean is the batch's gradient", "equal", f"within {mean:.0e}", within(mean, TOLERANCE)
        )
    )
    return Shown(blocks, comparisons)


PART = Part(
    "tables2-3",
    "Tables 2 and 3: shapes",
    compute,
    show,
    config="figure2",
    demands=(ONE_TRAINING, ONE_HIDDEN_LAYER, SIGMOID, DIGITS, CLASSES),
    quick={"data.name": "digits"},
    aliases=("table2", "table3"),
)
