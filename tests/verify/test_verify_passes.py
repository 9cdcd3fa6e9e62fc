"""Findings of `verify` without errors: on every backend, for everything that a config can describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.digits import QUICKSTART
from tests.helpers import CASES, Case
from tests.verify.small import verify_digits
from xpmlp.backend import Backend
from xpmlp.config import load_config
from xpmlp.errors import BackendError, ConfigError, DivergenceError
from xpmlp.optim import optimizers
from xpmlp.verify import REFERENCE, parse_candidates, verify

EIGHTEEN = [
    "activations, layer 1",
    "activations, layer 2",
    "logits",
    "loss",
    *(f"deltas, layer {layer}" for layer in (3, 2, 1)),
    *(f"gradients, layer {layer}" for layer in (1, 2, 3)),
    *(f"weights, layer {layer}" for layer in (1, 2, 3)),
]


OTHERS = [
    pytest.param(case, id=str(case), marks=[pytest.mark.slow] if case.name == "jax" else [])  # its compiler is
    for case in CASES
    if case.dtype == "float64" and case.name != "numpy"
]


@pytest.mark.parametrize("case", OTHERS)
def test_a_backend_against_numpy(case: Case, get_backend: Callable[..., Backend]) -> None:
    get_backend(*case)  # or skip
    label = case.name if case.device is None else f"{case.name}:{case.device}"
    result = verify_digits(f"numpy,{label}", steps=3, dtype=None)
    assert result.failure is None
    assert {(one.label, one.dtype) for one in result.participants} == {
        (name, dtype) for name in ("numpy", label) for dtype in ("float32", "float64")
    }
    assert all(one.full_products and one.repeatable for one in result.participants)
    float64 = [one for one in result.differences if one.dtype == "float64"]
    assert max(one.value for one in float64) < 1e-13
    assert 1e-9 < max(one.value for one in result.differences if one.dtype == "float32") < 1e-5
    to_numpy = {one.quantity.row for one in result.differences if (one.backend, one.base) == (label, "numpy")}
    assert to_numpy == set(EIGHTEEN)


def test_quantities_are_in_the_order_of_computation() -> None:
    result = verify_digits()
    assert list(dict.fromkeys(one.quantity.row for one in result.differences)) == EIGHTEEN
    assert list(dict.fromkeys(one.step for one in result.differences)) == [1, 10, 12]
    assert {one.base for one in result.differences} == {REFERENCE}


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2, 10, 11, 37])
def test_any_number_of_steps(steps: int) -> None:
    result = verify_digits(steps=steps, reference=True)
    assert result.failure is None
    (curve,) = result.curves
    assert (curve.label, curve.base, len(curve.loss)) == ("numpy", REFERENCE, steps)
    assert {1, steps} <= set(curve.weights) <= set(range(1, steps + 1))
    assert {one.step for one in result.differences} == {1, min(10, steps), steps}


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "identity"])
@pytest.mark.parametrize("optimizer", optimizers)
def test_every_activation_and_optimizer(activation: str, optimizer: str) -> None:
    changes = {"model.activation": activation, "train.optimizer": optimizer, "train.weight_decay": 0.01}
    assert verify_digits(changes=changes).failure is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"model.dropout": 0.4},
        {"train.class_weight": "balanced"},
        {"train.shuffle": False, "model.hidden_layer_sizes": []},
        {"train.batch_size": 5000},
        {"train.batch_size": 1, "backend.fused": False},
        {"train.clip_norm": 0.1, "train.optimizer": "sgd"},
        {"train.clip_norm": 0.1, "train.optimizer": "momentum"},
        {"train.rates": {"biases": 0.1}, "train.optimizer": "adamw", "train.weight_decay": 0.1},
        {"train.averaging": 0.9},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_other_settings(changes: dict[str, Any]) -> None:
    assert verify_digits(changes=changes, dtype=None).failure is None


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_values_as_targets(tmp_path: Path, loss: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 4))
    np.savez(tmp_path / "data.npz", features=x, target=np.exp(x[:, :2]))
    data = {"data.name": "npz", "data.path": str(tmp_path / "data.npz"), "data.split": "validation"}
    assert verify_digits(changes={**data, "model.loss": loss}).failure is None


def test_relu_in_float32_is_judged_by_its_first_step() -> None:
    result = verify_digits(changes={"model.activation": "relu"}, dtype="float32")
    assert {one.step for one in result.differences if one.tolerance is not None} == {1}
    assert {one.step for one in verify_digits(dtype="float32").differences if one.tolerance is not None} == {1, 10, 12}


def test_a_device_without_float64_is_reported() -> None:
    result = verify_digits("strict:no_float64,numpy", dtype=None)
    assert result.failure is None
    ((label, dtype, reason),) = result.unsupported
    assert (label, dtype) == ("strict:no_float64", "float64")
    assert "has no float64" in reason
    assert [(one.label, one.dtype) for one in result.participants] == [
        ("numpy", "float64"),
        ("strict:no_float64", "float32"),
        ("numpy", "float32"),
    ]


def test_float64_that_was_asked_for_has_to_be_there() -> None:
    with pytest.raises(BackendError, match=r"^strict:no_float64 has no float64: verify it with --dtype float32\.$"):
        verify_digits("strict:no_float64", dtype="float64")


def test_tf32_is_reported_only_where_there_can_be_such_products() -> None:
    result = verify_digits("numpy", {"backend.tf32": True}, dtype=None)
    assert [(one.dtype, one.tf32) for one in result.participants] == [("float64", False), ("float32", False)]


def test_what_diverges_is_not_compared() -> None:
    changes = {"train.learning_rate": 1e200, "train.optimizer": "sgd", "model.activation": "identity"}
    with pytest.raises(DivergenceError, match=r"stops being finite at step \d+.*learning_rate"):
        verify_digits(changes=changes)


@pytest.mark.parametrize(
    ("changes", "steps", "words"),
    [({}, 0, "0 steps"), ({}, 100_001, "at most 100,000"), ({"grid.runs": 2}, 5, "a \\[grid\\] of several runs")],
)
def test_what_cannot_be_verified(changes: dict[str, Any], steps: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        verify_digits(changes=changes, steps=steps)


def test_targets() -> None:
    assert [tuple(one) for one in parse_candidates("numpy, strict:device1,torch:cuda:1")] == [
        ("numpy", None),
        ("strict", "device1"),
        ("torch", "cuda:1"),
    ]
    assert [one.label for one in parse_candidates("strict,strict:device1")] == ["strict", "strict:device1"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("numpy,numpie", BackendError, "no backend 'numpie'"),
        ("auto", BackendError, "there is no backend 'auto'"),
        ("numpy,torch:cpu,numpy", ConfigError, "numpy twice"),
        (" , ", ConfigError, "names none"),
    ],
)
def test_targets_that_are_none(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        parse_candidates(text)


@pytest.mark.real_data
def test_mnist_on_all_backends(get_backend: Callable[..., Backend]) -> None:
    """The config of the README, as it is."""
    names = ("numpy", "strict", "torch", "jax")
    for name in names:
        get_backend(name)
    config = load_config(QUICKSTART.with_name("mnist.toml"))
    result = verify(config, parse_candidates(",".join(names)))
    assert result.failure is None
    assert all(one.tolerance is not None for one in result.differences)  # sigmoid: all is judged in float32, too
    assert all(one.repeatable and one.full_products for one in result.participants)
    assert max(one.value for one in result.differences if one.dtype == "float64") < 1e-13
