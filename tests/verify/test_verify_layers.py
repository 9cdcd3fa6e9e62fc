"""`verify` on networks of layers: correct ones pass on every backend, and errors are found and named."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.digits import digits_config
from tests.training.test_three_lines import LAYERS
from xpmlp import nn
from xpmlp._tree import map_leaves
from xpmlp.backend import Backend, DTypeName
from xpmlp.backend.numpy import NumpyBackend
from xpmlp.config import ModelConfig
from xpmlp.verify import Verification, parse_candidates, verify

pytestmark = pytest.mark.slow  # a whole comparison each

scaling = importlib.import_module("xpmlp.nn.layers.scaling")  # the module; in its package, the name is the function's

TANH = {"kind": "activation", "name": "tanh"}
MIXED = [
    {"kind": "beside", "layers": [{"kind": "scaling"}, {"kind": "periodic", "waves": 3, "width": 2}]},
    {"kind": "dense", "units": 6},
    {"kind": "normalisation"},
    TANH,
    {"kind": "dropout", "rate": 0.2},
    {"kind": "plus", "layers": [{"kind": "chain", "layers": [{"kind": "dense", "units": 6}, TANH]}]},
]


def verify_layers(
    layers: list[dict[str, Any]],
    backends: str = "numpy",
    changes: dict[str, Any] | None = None,
    *,
    dtype: DTypeName | None = "float64",
) -> Verification:
    """Verify a network of these layers and a dense one on the digits."""
    config = digits_config({"train.batch_size": 16, **(changes or {})})
    model = ModelConfig(layers=layers)
    return verify(config.model_copy(update={"model": model}), parse_candidates(backends), steps=11, dtype=dtype)


def layers_of(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(f"layers = [{text.replace('64', '6')}]")["layers"]
    return found


def test_what_is_beside_hidden_units_is_no_plain_perceptron() -> None:
    config = digits_config({"train.batch_size": 16, "model.linear_skip": True})
    result = verify(config, parse_candidates("numpy"), steps=11, dtype="float64")
    assert result.failure is None
    assert max(one.value for one in result.differences) < 1e-12


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer(kind: str) -> None:
    result = verify_layers(layers_of(LAYERS[kind]), dtype=None)
    assert result.failure is None
    assert max(one.value for one in result.differences if one.dtype == "float64") < 1e-12
    assert max(map(max, result.finite_differences)) < 1e-7


@pytest.mark.parametrize(
    "changes",
    [
        {"train.optimizer": "adamw", "train.weight_decay": 0.1, "train.rates": {"biases": 0.1, "scales": 3.0}},
        {"train.optimizer": "momentum", "train.weight_decay": 0.1},
        {"train.optimizer": "sgd", "train.learning_rate": 0.1, "train.clip_norm": 0.1},
        {"train.class_weight": "balanced"},
        {"backend.fused": False},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_other_settings(changes: dict[str, Any]) -> None:
    result = verify_layers(MIXED, changes=changes)
    assert result.failure is None


@pytest.mark.parametrize("name", ["strict", "torch", "jax"])
def test_a_backend_against_numpy(name: str, get_backend: Callable[..., Backend]) -> None:
    get_backend(name)  # or skip
    result = verify_layers(MIXED, f"numpy,{name}", dtype=None)
    assert result.failure is None
    assert all(one.repeatable for one in result.participants)
    assert {one.base for one in result.differences} == {"reference", "numpy"}


def test_arrays_are_named_by_layer() -> None:
    result = verify_layers([*MIXED, {"kind": "prelu"}])
    rows = list(dict.fromkeys(one.quantity.row for one in result.differences))
    assert rows[:2] == ["logits", "loss"]
    assert {"gradients, layer 1.1", "gradients, layer 1.2.1", "weights, layer 4.1.1", "weights, layer 5"} <= set(rows)
    names = {str(one.quantity) for one in result.differences}
    assert {"gradient by the frequencies of layer 1.2.1", "alphas of layer 5", "weights of layer 6"} <= names


def test_a_kink_is_judged_by_its_forward_pass_in_float32() -> None:
    result = verify_layers(layers_of(LAYERS["prelu"]), dtype="float32")
    assert {(one.step, one.quantity.kind) for one in result.differences if one.tolerance is not None} == {
        (1, "logits"),
        (1, "loss"),
    }


def test_finite_differences_see_a_wrong_gradient_of_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    right = scaling.gradients

    def wrong(ops: Any, factors: Any, divisor: Any) -> Any:
        return map_leaves(lambda slope: 1.01 * slope, right(ops, factors, divisor))

    monkeypatch.setattr(scaling, "gradients", wrong)
    failure = verify_layers([{"kind": "scaling"}]).failure
    assert failure is not None
    assert failure.startswith(
        "the reference's gradients of layer 1 differ from finite differences of its loss by 9.9e-03"
    )


def test_one_backends_own_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    right = NumpyBackend._fused_ops

    def wrong(self: NumpyBackend) -> nn.Ops:
        ops = right(self)
        return ops._replace(multiply_transposed=lambda delta, weights: 1.001 * ops.multiply_transposed(delta, weights))

    monkeypatch.setattr(NumpyBackend, "_fused_ops", wrong)
    failure = verify_layers(MIXED, "numpy,strict").failure
    assert failure is not None
    assert failure.startswith("numpy in float64 differs from the independent reference, first in the gradient by the ")


@pytest.mark.parametrize("kind", ["one_hot", "embedding", "categories"])
def test_codes_of_categories(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(3)
    codes = np.stack([rng.integers(2, 7, 90), rng.integers(2, 32, 90)], axis=1)
    np.savez(tmp_path / "d.npz", features=rng.normal(size=(90, 4)), target=codes[:, 0] % 2, codes=codes)
    data = {"data.name": "npz", "data.path": str(tmp_path / "d.npz"), "data.split": "validation"}
    own = {"kind": kind, "width": 3} if kind == "embedding" else {"kind": kind}
    layers = [{"kind": "beside", "layers": [own, {"kind": "scaling"}]}, {"kind": "dense", "units": 5}, TANH]
    result = verify_layers(layers, changes=data)
    assert result.failure is None
    assert max(map(max, result.finite_differences)) < 1e-7


def test_members_of_a_batch_ensemble(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 4))
    np.savez(tmp_path / "data.npz", features=x, target=x[:, :2] ** 2)
    data = {"data.name": "npz", "data.path": str(tmp_path / "data.npz"), "data.split": "validation"}
    layers = [
        {"kind": "repeat", "members": 4},
        {"kind": "adapters", "units": 6, "members": 4, "random": True},
        TANH,
    ]
    assert verify_layers(layers, changes={**data, "model.loss": "squared"}).failure is None
