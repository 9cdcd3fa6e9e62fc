"""The same config on every array library: the first 200 batch losses agree."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest

import xpmlp
from tests.helpers import CASES, Case, relative_difference
from xpmlp.backend import Backend
from xpmlp.training import Progress, Reporter

pytestmark = pytest.mark.optimised

CONFIGS = Path(__file__).parents[2] / "configs"

STEPS = 200

DIGITS = {
    "data.name": "digits",
    "model.hidden_layer_sizes": [30],
    "train.epochs": 5,
    "train.learning_rate": 0.1,
}
"""mnist.toml on the digits: 41 steps an epoch, the last a shorter one."""

ADAM = {**DIGITS, "model.activation": "relu", "train.optimizer": "adam", "train.learning_rate": 0.003}


CHANGES = {"sgd": DIGITS, "adam": ADAM, "mnist": {"train.segment_steps": STEPS}}


class Counter(Reporter):
    """Counts the steps."""

    steps = 0

    def segment(self, progress: Progress) -> None:
        self.steps = (progress.epoch - 1) * progress.steps + progress.step


@cache
def losses(case: Case, changes: str, fused: bool = True) -> npt.NDArray[Any]:
    """The first batch losses of mnist.toml, changed so, on a backend."""
    where = {"name": case.name, "device": case.device or "none", "dtype": case.dtype, "fused": fused, "threads": 1}
    overrides = {f"backend.{key}": value for key, value in where.items()}
    config = xpmlp.load_config(CONFIGS / "mnist.toml", {**CHANGES[changes], **overrides})
    counter = Counter()
    result = xpmlp.train(config, reporter=counter, should_stop=lambda: counter.steps >= STEPS)
    assert result.backend.name == case.name
    weights, _ = result.parameters[0]
    assert weights.dtype == getattr(result.backend.xp, case.dtype)
    first = result.history.batch_losses[:STEPS]
    assert len(first) == STEPS
    assert first.dtype == case.dtype
    return first


def assert_agree(case: Case, changes: str, fused: bool = True) -> None:
    wanted = losses(Case("numpy", "cpu", case.dtype), changes)
    assert wanted[:20].mean() - wanted[-20:].mean() > 0.2, "it has to have learnt something"
    actual = losses(case, changes, fused)
    assert relative_difference(actual, wanted) <= (1e-12 if case.dtype == "float64" else 1e-5)


OTHERS = [case for case in CASES if case.name in ("torch", "jax", "cupy") or case.device == "device1"]
"""Every case but NumPy's own, and of strict's devices the one that imitates a GPU."""


@pytest.mark.parametrize("case", OTHERS, ids=str)
@pytest.mark.parametrize("changes", ["sgd", "adam"])
def test_digits(case: Case, changes: str, get_backend: Callable[..., Backend]) -> None:
    get_backend(*case)  # or skip
    assert_agree(case, changes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("changes", ["sgd", "adam"])
def test_numpy_without_its_faster_operations(dtype: str, changes: str) -> None:
    assert_agree(Case("numpy", "cpu", dtype), changes, fused=False)


@pytest.mark.real_data
@pytest.mark.parametrize("case", OTHERS, ids=str)
def test_mnist(case: Case, get_backend: Callable[..., Backend]) -> None:
    get_backend(*case)
    assert_agree(case, "mnist")
