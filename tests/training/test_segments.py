"""Segments of epochs: every example once, tails included, and results independent of the segments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.helpers import eager
from tests.training.small import EXAMPLES, small_problem, train_runs, weights_of
from xpmlp.backend import Backend
from xpmlp.init import batch_order
from xpmlp.nn import Metric
from xpmlp.training import Progress, Reporter
from xpmlp.training.segments import segments


@pytest.mark.parametrize("examples", [1, 7, 8, 9, 71, 72])
@pytest.mark.parametrize("batch", [1, 8, 100])
@pytest.mark.parametrize("longest", [None, 1, 3, 500])
def test_segments_cover_an_epoch(examples: int, batch: int, longest: int | None) -> None:
    order = np.random.default_rng(0).permutation(examples)
    cut = segments(examples, batch, longest)
    np.testing.assert_array_equal(np.concatenate([segment.cut(order).ravel() for segment in cut]), order)
    assert sum(segment.examples for segment in cut) == examples
    assert len({(segment.steps, segment.batch) for segment in cut}) <= 3
    *full, last = [segment.batch for segment in cut for _ in range(segment.steps)]
    assert set(full) <= {batch}
    assert last <= batch
    if longest is not None:
        assert max(segment.steps for segment in cut) <= longest


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_example_is_visited_once_an_epoch(shuffle: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = small_problem(epochs=3, segment_steps=3, seed=5, shuffle=shuffle)
    visited: list[Any] = []
    fold = problem.backend.fold

    def recording(folded: Any, state: Any, batches: Any, constants: Any, ahead: int) -> Any:
        if folded is problem.training_fold:
            visited.extend(batches[0].ravel())
        return fold(folded, state, batches, constants, ahead)

    monkeypatch.setattr(problem.backend, "fold", recording)
    train_runs(problem)
    orders = [batch_order(5, epoch, EXAMPLES) if shuffle else np.arange(EXAMPLES) for epoch in (1, 2, 3)]
    np.testing.assert_array_equal(visited, np.concatenate(orders))
    assert all(sorted(order) == list(range(EXAMPLES)) for order in orders)


@pytest.mark.slow
@eager()
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_results_do_not_depend_on_the_cuts(backend: Backend, optimizer: str) -> None:
    results = []
    for steps in (1, 3, 500):
        problem = small_problem(backend, optimizer=optimizer, learning_rate=0.1, segment_steps=steps)
        (run,) = train_runs(problem)
        results.append((run.losses, run.epochs, weights_of(problem, run)))
    for losses, epochs, weights in results[1:]:
        np.testing.assert_array_equal(losses, results[0][0])
        for row, wanted_row in zip(epochs, results[0][1], strict=True):
            assert row == pytest.approx(wanted_row, rel=1e-14)  # a mean is added up segment by segment
        for actual, wanted in zip(weights, results[0][2], strict=True):
            np.testing.assert_array_equal(actual, wanted)


def test_the_reporter_hears_of_every_segment() -> None:
    class Listener(Reporter):
        heard: list[Progress]

        def begin(self, epochs: int, steps: int, metric: Metric) -> None:
            self.heard, self.length = [], (epochs, steps)

        def segment(self, progress: Progress) -> None:
            self.heard.append(progress)

    listener = Listener()
    (run,) = train_runs(small_problem(segment_steps=4), reporter=listener)
    assert listener.length == (2, 9)
    assert [(one.epoch, one.step, one.examples) for one in listener.heard] == [
        *((1, 4, 32), (1, 8, 32), (1, 9, 7)),
        *((2, 4, 32), (2, 8, 32), (2, 9, 7)),
    ]
    assert listener.heard[0].loss == pytest.approx(run.losses[:4].mean(), rel=1e-12)
    for last, row in zip(listener.heard[2::3], run.epochs, strict=True):
        assert (last.loss, last.value) == (row.train_loss, row.train_value)


def compilations(backend: Any, monkeypatch: pytest.MonkeyPatch, **train: Any) -> int:
    """How many programs JAX compiles for a training, validation included."""
    programs = {}
    compiled: Callable[[Any], Any] = backend.compiled

    def recording(step: Any) -> Any:
        programs[step] = compiled(step)
        return programs[step]

    with monkeypatch.context() as patch:
        patch.setattr(backend, "compiled", recording)
        train_runs(small_problem(backend, optimizer="adam", learning_rate=0.01, **train))
    assert len(programs) == 2, "one step trains, one evaluates"
    return sum(program._cache_size() for program in programs.values())


def test_jax_compiles_no_more_for_three_epochs_than_for_one(
    get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = get_backend("jax", "cpu")
    counts = [compilations(backend, monkeypatch, epochs=n, segment_steps=3, schedule="cosine") for n in (1, 3)]
    # segments of 3 and of 2 full batches, and the tail; one for the validation
    assert counts == [4, 4]
