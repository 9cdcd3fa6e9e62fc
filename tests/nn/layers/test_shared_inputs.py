"""Activations may overwrite their inputs; an array in use elsewhere, too, is copied for them."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy
import numpy as np
import pytest

from tests.helpers import assert_close, call, tolerance
from xpmlp._tree import map_leaves
from xpmlp.backend import Backend
from xpmlp.nn import LayerSpec, Network, Widths, losses, pure_ops
from xpmlp.nn.layer import Inputs

OPS = pure_ops(array_api_compat.numpy)

SIGMOID, TANH = {"kind": "activation", "name": "sigmoid"}, {"kind": "activation", "name": "tanh"}

TABLES: dict[str, dict[str, Any]] = {
    "alone": SIGMOID,
    "first of a chain": {"kind": "chain", "layers": [SIGMOID, TANH]},
    "after an activation": {"kind": "chain", "layers": [{"kind": "scaling"}, TANH, SIGMOID, SIGMOID]},
    "after the identity": {
        "kind": "chain",
        "layers": [TANH, {"kind": "activation", "name": "identity"}, {"kind": "dropout", "rate": 0.5}, SIGMOID],
    },
    "first beside": {"kind": "beside", "layers": [SIGMOID, {"kind": "scaling"}, TANH]},
    "with a skip": {"kind": "plus", "layers": [SIGMOID]},
    "a chain with a skip": {"kind": "plus", "layers": [{"kind": "chain", "layers": [SIGMOID, {"kind": "scaling"}]}]},
    "after a repetition": {"kind": "chain", "layers": [TANH, {"kind": "repeat", "members": 1}, SIGMOID]},
    "within": {
        "kind": "chain",
        "layers": [TANH, {"kind": "plus", "layers": [{"kind": "beside", "layers": [SIGMOID]}]}],
    },
}


def passes(ops: Any, name: str, parameters: Any, x: Any, upstream: Any) -> tuple[Any, ...]:
    """(the output, the derivative by the input, the gradients)."""
    root = Network(LayerSpec.of(TABLES[name]), Widths(3), losses["squared"]).root
    y, residuals = root.forward(ops, parameters, Inputs(x), ())
    y = y * 1.0
    back, factors = root.backward(ops, parameters, residuals, upstream, True)
    return y, back, root.gradients(ops, factors, 1)


@pytest.mark.parametrize("name", TABLES)
def test_the_input_is_left_alone_and_residuals_are_what_they_were(name: str, backend: Backend) -> None:
    rng = np.random.default_rng(0)
    root = Network(LayerSpec.of(TABLES[name]), Widths(3), losses["squared"]).root
    parameters = map_leaves(lambda leaf: np.stack([leaf * 0.7] * 2), root.init(rng))
    x, upstream = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, root.width))
    expected = passes(OPS, name, parameters, x.copy(), upstream.copy())
    given = backend.asarray(x, backend.dtype)
    on_device = backend.parameters([*([parameters] if parameters != () else []), upstream])
    own, derivative = (on_device[0] if parameters != () else ()), on_device[-1]
    actual = call(backend, lambda *arguments: passes(backend.ops, name, *arguments), own, given, derivative)
    accuracy = tolerance(backend, 1e-6, 1e-14)
    assert_close(actual[0], expected[0], accuracy, backend)
    assert_close(actual[1], expected[1], accuracy, backend)
    for one, wanted in zip(_arrays(actual[2]), _arrays(expected[2]), strict=True):
        assert_close(one, wanted, accuracy, backend)
    assert_close(given, x, accuracy, backend)


def _arrays(tree: Any) -> list[Any]:
    found: list[Any] = []
    map_leaves(found.append, tree)
    return found
