"""Training against a loop written in plain NumPy: the same losses, figures and weights to 1e-12."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers import cases, relative_difference
from tests.training import numpy_loop
from tests.training.small import EXAMPLES, STEPS, small_dataset, small_problem, train_runs, weights_of
from xpmlp.backend import Backend, resolve
from xpmlp.data import Dataset, load
from xpmlp.init import batch_order, initial_parameters
from xpmlp.training import History, Run
from xpmlp.training.configured import ConfigTrainable

every_library = pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)


def expected(problem: ConfigTrainable, rates: list[float], **more: Any) -> numpy_loop.Trace:
    """Train the plain loop on a problem, given each epoch's learning rate."""
    plan, train = problem.config.train, problem.dataset.train
    orders = [
        batch_order(plan.seed, epoch, len(train)) if plan.shuffle else np.arange(len(train))
        for epoch in range(1, plan.epochs + 1)
    ]
    first = initial_parameters(problem.sizes, plan.seed)
    x = train.features / 16
    return numpy_loop.train(x, train.targets, first, orders, rates, plan.batch_size, plan.weight_decay, **more)


def assert_same(problem: ConfigTrainable, run: Run, trace: numpy_loop.Trace) -> None:
    history = History.of([run])
    assert relative_difference(history.batch_losses, np.array(trace.batch_losses)) <= 1e-12
    assert relative_difference(history.train_loss, np.array(trace.epoch_losses)) <= 1e-12
    np.testing.assert_array_equal(history.train_value, trace.epoch_accuracies)
    for actual, wanted in zip(weights_of(problem, run), trace.weights, strict=True):
        assert relative_difference(actual.ravel(), wanted.ravel()) <= 1e-12


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", split="three-way", test_fraction=0.2, seed=0)


@every_library
@pytest.mark.parametrize("shuffle", [True, False])
def test_digits_with_a_tail_batch(backend: Backend, digits: Dataset, shuffle: bool) -> None:
    problem = small_problem(backend, digits, hidden=[20], batch_size=32, epochs=3, shuffle=shuffle, seed=4)
    assert len(digits.train) % 32, "the last batch has to be a shorter one"
    (run,) = train_runs(problem)
    assert_same(problem, run, expected(problem, [0.5] * 3))


@every_library
@pytest.mark.parametrize(
    ("hidden", "train"),
    [
        pytest.param([], {}, id="no hidden layer"),
        pytest.param([5, 4], {}, id="two hidden layers"),
        pytest.param([5], {"weight_decay": 0.03}, id="weight decay"),
        pytest.param([5], {"batch_size": 1}, id="one example a batch"),
        pytest.param([5], {"batch_size": EXAMPLES}, id="all examples in a batch"),
        pytest.param([5], {"batch_size": 1000}, id="batch larger than the data"),
    ],
)
def test_other_networks_and_batches(backend: Backend, hidden: list[int], train: dict[str, Any]) -> None:
    problem = small_problem(backend, hidden=hidden, **train)
    (run,) = train_runs(problem)
    assert_same(problem, run, expected(problem, [0.5] * 2))


def test_pure_operations_train_the_same_network() -> None:
    problem = small_problem(resolve("numpy", None, "float64", fused=False).backend)
    (run,) = train_runs(problem)
    assert_same(problem, run, expected(problem, [0.5] * 2))


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ({"schedule": "constant"}, [0.5] * 4),
        ({"schedule": "inverse_scaling", "power_t": 0.25}, [0.5 / (1 + 71 * epoch) ** 0.25 for epoch in range(4)]),
        ({"schedule": "cosine"}, [0.5, 0.25 * (1 + 0.5**0.5), 0.25, 0.25 * (1 - 0.5**0.5)]),
        # nothing falls by 100: the first loss is a fall from nothing, then every second epoch is one too many
        ({"schedule": "adaptive", "tol": 100.0, "n_iter_no_change": 1}, [0.5, 0.5, 0.5, 0.1]),
    ],
    ids=lambda value: value["schedule"] if isinstance(value, dict) else "",
)
def test_schedules_set_the_rate_of_each_epoch(schedule: dict[str, Any], rates: list[float]) -> None:
    problem = small_problem(epochs=4, **schedule)
    (run,) = train_runs(problem)
    np.testing.assert_allclose([row.learning_rate for row in run.epochs], rates, rtol=1e-14)
    assert_same(problem, run, expected(problem, rates))


@every_library
def test_validation_figures_are_of_the_weights_after_the_epoch(backend: Backend) -> None:
    problem = small_problem(backend)
    (run,) = train_runs(problem)
    held_out = small_dataset().validation
    assert held_out is not None
    for row in run.epochs:
        first, shift, second, last = expected(problem, [0.5] * 2, steps=STEPS * row.epoch).weights
        outputs = np.tanh(held_out.features / 16 @ first + shift) @ second + last
        likelihood = np.exp(outputs[np.arange(30), held_out.targets]) / np.exp(outputs).sum(axis=1)
        assert row.validation_loss == pytest.approx(-np.log(likelihood).mean(), rel=1e-12)
        assert row.validation_value == np.mean(outputs.argmax(axis=1) == held_out.targets)
