"""A training with compiled steps equals the same training step by step in Python, to rounding."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from tests.helpers import relative_difference, tolerance
from tests.training.small import small_dataset, train_runs, weights_of
from tests.training.test_delayed import wide_problem
from tests.training.test_objectives import DROPOUT, problem_of, values_dataset
from tests.training.test_three_lines import LAYERS
from xpmlp.backend import Backend, resolve
from xpmlp.config import ModelConfig
from xpmlp.nn import activations
from xpmlp.training import Run, Status
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.run import RunSettings

pytest.importorskip("numba", reason="Numba is not installed: nothing is compiled")


@pytest.fixture(params=["float32", "float64"])
def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """NumPy with compiled steps, and as it is without Numba."""
    compiling = resolve("numpy", None, request.param).backend
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        return compiling, resolve("numpy", None, request.param).backend


def steps_compiled(backend: Any) -> list[bool]:
    """For each step that the backend has been given, and each of its shapes: whether it was compiled."""
    return [ready is not None for known in backend._scans._programs.values() for ready in known.values()]


def both(pair: tuple[Backend, Backend], problem: ConfigTrainable) -> tuple[Run, Run]:
    """A run of each; all steps of the first are compiled."""
    compiling, plain = (replace(problem, backend=backend) for backend in pair)
    (one,), (other,) = train_runs(compiling), train_runs(plain)
    found = steps_compiled(compiling.backend)
    assert found
    assert all(found)
    return one, other


def assert_same(pair: tuple[Backend, Backend], problem: ConfigTrainable) -> None:
    __tracebackhide__ = True
    one, other = both(pair, problem)
    allowed = tolerance(pair[0], 2e-5, 1e-11)
    assert relative_difference(one.losses, other.losses) <= allowed
    for row, wanted in zip(one.epochs, other.epochs, strict=True):
        assert row.validation_loss == pytest.approx(wanted.validation_loss, rel=allowed)
    for actual, wanted in zip(
        weights_of(replace(problem, backend=pair[0]), one),
        weights_of(replace(problem, backend=pair[1]), other),
        strict=True,
    ):
        assert relative_difference(actual, wanted) <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "identity"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
def test_every_optimizer_and_activation(optimizer: str, activation: str, pair: tuple[Backend, Backend]) -> None:
    model = {"hidden_layer_sizes": [9, 5], "activation": activation}
    rate = 0.005 if optimizer == "adam" else 0.05
    for decay in (0.0, 0.1):
        train = {"optimizer": optimizer, "learning_rate": rate, "weight_decay": decay}
        assert_same(pair, problem_of(pair[0], model=model, **train))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LAYERS, *activations])
def test_every_layer_and_activation_is_compiled(name: str, pair: tuple[Backend, Backend]) -> None:
    model: dict[str, Any] = {"hidden_layer_sizes": [9], "activation": name}
    if name in LAYERS:
        model = {key: ModelConfig.model_fields[key].default for key in ("hidden_layer_sizes", "activation")}
        model |= tomllib.loads(f"layers = [{LAYERS[name]}]")
    assert_same(pair, problem_of(pair[0], model=model, learning_rate=0.01))


@pytest.mark.parametrize("batch_size", [1, 2, 71, 1000])
@pytest.mark.parametrize("loss", ["squared", "poisson", "logistic"])
def test_every_loss_and_size_of_batches(loss: str, batch_size: int, pair: tuple[Backend, Backend]) -> None:
    dataset = values_dataset(1 if batch_size == 2 else 2, whole=loss == "logistic")
    assert_same(pair, problem_of(pair[0], dataset, {"loss": loss}, batch_size=batch_size, learning_rate=0.01))


def test_no_hidden_layer(pair: tuple[Backend, Backend]) -> None:
    assert_same(pair, problem_of(pair[0], model={"hidden_layer_sizes": []}))


def test_dropout_and_weights_of_examples(pair: tuple[Backend, Backend]) -> None:
    dataset = small_dataset()
    weights = np.random.default_rng(2).uniform(0, 2, size=len(dataset.train))
    weights[:9] = 0.0
    weighted = replace(dataset, train=replace(dataset.train, weights=weights))
    for optimizer in ("sgd", "adam"):
        assert_same(pair, problem_of(pair[0], weighted, DROPOUT, optimizer=optimizer, learning_rate=0.02))


@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize("batch_size", [1, 3, 25])
def test_delayed_updates(
    batch_size: int, decay: float, pair: tuple[Backend, Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair[0], "prefetch", pair[0].prefetch._replace(most_delayed=25))
    problem = wide_problem(pair[0], batch_size=batch_size, weight_decay=decay)
    compiling, plain = (replace(problem, backend=backend) for backend in pair)
    assert compiling.training_fold.steps_per_call > 1
    (one,), (other,) = train_runs(compiling), train_runs(plain)
    assert any(steps_compiled(pair[0]))  # the steps; what is done for many of them at once is not
    assert relative_difference(one.losses, other.losses) <= tolerance(pair[0], 2e-5, 1e-11)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_stacked_runs(optimizer: str, pair: tuple[Backend, Backend]) -> None:
    runs = [RunSettings(seed, rate, 0.1, 0.9) for seed, rate in ((0, 0.01), (3, 0.03), (5, 0.02))]
    for problem in (
        problem_of(pair[0], model=DROPOUT, optimizer=optimizer),
        wide_problem(pair[0], optimizer=optimizer),
    ):
        found = [train_runs(replace(problem, backend=backend), *runs) for backend in pair]
        for one, other in zip(*found, strict=True):
            assert relative_difference(one.losses, other.losses) <= tolerance(pair[0], 2e-5, 1e-11)
    steps = [known for step, known in cast("Any", pair[0])._scans._programs.items() if "delayed" not in step.__module__]
    assert all(ready is not None for known in steps for ready in known.values())


@pytest.mark.parametrize("schedule", ["inverse_scaling", "adaptive", "cosine"])
def test_a_learning_rate_that_changes(schedule: str, pair: tuple[Backend, Backend]) -> None:
    assert_same(pair, problem_of(pair[0], schedule=schedule, epochs=4))


def test_a_divergence_is_seen_in_the_same_step(pair: tuple[Backend, Backend]) -> None:
    problem = problem_of(
        pair[0], values_dataset(), {"loss": "squared", "activation": "identity"}, learning_rate=1e4, epochs=9
    )
    with np.errstate(all="ignore"):
        one, other = both(pair, problem)
    assert one.status is other.status is Status.DIVERGED
    assert abs(len(one.losses) - len(other.losses)) <= 1  # an overflow may come a step earlier
