"""A loss or a weight that is no longer finite ends a run, which keeps its last finite weights."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers import cases, relative_difference
from tests.training import numpy_loop
from tests.training.small import STEPS, small_problem, train_runs, weights_of
from xpmlp.backend import Backend
from xpmlp.init import batch_order, initial_parameters
from xpmlp.training import Status
from xpmlp.training.stack import as_stack


@pytest.mark.parametrize("backend", cases(dtype="float32"), indirect=True)
def test_ends_at_the_first_bad_loss(backend: Backend) -> None:
    problem = small_problem(backend, activation="relu", learning_rate=1e30, segment_steps=5)
    (run,) = train_runs(problem)
    assert run.status is Status.DIVERGED
    assert run.ended_at == (1, len(run.losses))
    assert np.isfinite(run.losses[:-1]).all()
    assert not np.isfinite(run.losses[-1])
    assert not run.epochs
    first = [leaf for layer in problem.initial_parameters(0) for leaf in layer]
    for kept, drawn in zip(weights_of(problem, run), first, strict=True):
        assert relative_difference(kept, drawn) <= 1e-7


def test_keeps_the_weights_before_the_segment_that_went_wrong() -> None:
    # the loss grows by itself: weights are multiplied by 1 - 20 * 5 = -99 at each step, and overflow after ~150
    problem = small_problem(learning_rate=20.0, weight_decay=5.0, epochs=40, segment_steps=4)
    (run,) = train_runs(problem)
    assert run.status is Status.DIVERGED
    assert run.ended_at is not None
    epoch, step = run.ended_at
    assert epoch > 2
    before = STEPS * (epoch - 1) + (step - 1) // 4 * 4
    assert len(run.losses) == STEPS * (epoch - 1) + step
    data = problem.dataset.train
    orders = [batch_order(0, number, len(data)) for number in range(1, epoch + 1)]
    first = initial_parameters(problem.sizes, 0)
    x = data.features / 16
    trace = numpy_loop.train(x, data.targets, first, orders, [20.0] * epoch, 8, 5.0, steps=before)
    for kept, wanted in zip(weights_of(problem, run), trace.weights, strict=True):
        assert np.isfinite(kept).all()
        assert relative_difference(kept.ravel(), wanted.ravel()) <= 1e-9


@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
def test_infinite_weights_count_though_every_loss_was_finite(backend: Backend) -> None:
    # the only step of the epoch: its loss is that of the first weights
    problem = small_problem(backend, learning_rate=1e308, weight_decay=1e10, batch_size=1000)
    (run,) = train_runs(problem)
    assert run.status is Status.DIVERGED
    assert run.ended_at == (1, 1)
    assert np.isfinite(run.losses).all()
    first = [leaf for layer in problem.initial_parameters(0) for leaf in layer]
    for kept, drawn in zip(weights_of(problem, run), first, strict=True):
        np.testing.assert_array_equal(kept, drawn)


def test_early_stopping_keeps_the_best_weights_rather_than_the_last_finite_ones() -> None:
    problem = small_problem(learning_rate=20.0, weight_decay=5.0, epochs=40, patience=40)
    (run,) = train_runs(problem)
    assert run.status is Status.DIVERGED
    with problem.backend.session(8):
        assert problem.validation_examples is not None
        (score,) = problem.inference.evaluate(as_stack(run.parameters), problem.validation_examples)
    finite = [row.validation_loss for row in run.epochs if np.isfinite(row.validation_loss or np.nan)]
    assert score.loss == min(value for value in finite if value is not None)
