"""Runs trained as one stack give the results of runs trained alone, also after others leave the stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers import cases, other_devices_slow, relative_difference
from tests.training.small import EXAMPLES, STEPS, small_dataset, small_problem, train_runs, weights_of
from xpmlp.backend import Backend
from xpmlp.training import History, Run, Status
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.run import RunSettings

SETTINGS = [
    RunSettings(seed=0, learning_rate=0.05, weight_decay=0.001, momentum=0.9),
    RunSettings(seed=1, learning_rate=0.2, weight_decay=0.01, momentum=0.5),
    RunSettings(seed=2, learning_rate=0.01, weight_decay=0.1, momentum=0.0),
]

STEADY = RunSettings(seed=0, learning_rate=0.1, weight_decay=0.0, momentum=0.9)
OTHER = RunSettings(seed=3, learning_rate=0.3, weight_decay=0.0, momentum=0.9)
EXPLODING = RunSettings(seed=1, learning_rate=1e200, weight_decay=0.1, momentum=0.9)
IDLE = RunSettings(seed=1, learning_rate=0.0, weight_decay=0.0, momentum=0.9)


def difference(problem: ConfigTrainable, stacked: Run, alone: Run) -> float:
    """The largest relative difference of two runs, over their losses and each of their weights."""
    assert stacked.status is alone.status
    assert len(stacked.epochs) == len(alone.epochs)
    pairs = zip(weights_of(problem, stacked), weights_of(problem, alone), strict=True)
    return max(relative_difference(stacked.losses, alone.losses), *(relative_difference(*pair) for pair in pairs))


def assert_bitwise(problem: ConfigTrainable, stacked: Sequence[Run], settings: Sequence[RunSettings]) -> None:
    for run, one in zip(stacked, settings, strict=True):
        (alone,) = train_runs(problem, one)
        assert run.status is alone.status
        assert run.epochs == alone.epochs
        assert run.ended_at == alone.ended_at
        np.testing.assert_array_equal(run.losses, alone.losses)
        for actual, wanted in zip(weights_of(problem, run), weights_of(problem, alone), strict=True):
            np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_an_epoch_in_float64(backend: Backend, optimizer: str) -> None:
    problem = small_problem(backend, optimizer=optimizer, epochs=1)
    for one, run in zip(SETTINGS, train_runs(problem, *SETTINGS), strict=True):
        (alone,) = train_runs(problem, one)
        assert difference(problem, run, alone) <= 1e-12
        assert run.epochs[0] == pytest.approx(alone.epochs[0], rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("backend", other_devices_slow(cases(dtype="float32")), indirect=True)
# Adam divides by the root of small numbers: which roundings that makes larger depends on the processor's products
@pytest.mark.parametrize(("optimizer", "tolerance"), [("sgd", 1e-5), ("adam", 3e-5)])
def test_a_hundred_steps_in_float32(backend: Backend, optimizer: str, tolerance: float) -> None:
    problem = small_problem(backend, replace(small_dataset(), validation=None), optimizer=optimizer, epochs=12)
    assert 12 * STEPS >= 100
    # Adam turns what rounding leaves of a small gradient into a step of the size of the rate
    scale = 0.1 if optimizer == "adam" else 1.0
    settings = [one._replace(learning_rate=scale * one.learning_rate) for one in SETTINGS]
    for one, run in zip(settings, train_runs(problem, *settings), strict=True):
        (alone,) = train_runs(problem, one)
        assert difference(problem, run, alone) <= tolerance


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize(
    "settings",
    [[EXPLODING, STEADY, OTHER], [STEADY, EXPLODING, OTHER], [STEADY, OTHER, EXPLODING], [EXPLODING, STEADY]],
    ids=["first", "middle", "last", "of two"],
)
def test_a_run_that_diverges_leaves_the_others_as_they_are(optimizer: str, settings: list[RunSettings]) -> None:
    problem = small_problem(optimizer=optimizer, activation="relu", segment_steps=3)
    runs = train_runs(problem, *settings)
    for run in runs:
        if run.settings is EXPLODING:
            assert run.status is Status.DIVERGED
            assert run.ended_at is not None
            assert run.ended_at < (1, STEPS), "it has to leave before the epoch ends"
        else:
            assert run.status is Status.FINISHED
    assert_bitwise(problem, runs, settings)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_run_that_stops_early_leaves_the_others_as_they_are(optimizer: str) -> None:
    settings = [STEADY, IDLE, OTHER]
    problem = small_problem(optimizer=optimizer, epochs=5, patience=3, min_improvement=1e-9)
    runs = train_runs(problem, *settings)
    assert runs[1].status is Status.STOPPED_EARLY
    assert len(runs[1].epochs) == 4
    assert any(len(run.epochs) == 5 for run in runs), "one has to go on alone or with another"
    assert_bitwise(problem, runs, settings)


@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
def test_runs_leave_on_every_backend(backend: Backend) -> None:
    problem = small_problem(backend, activation="relu", batch_size=EXAMPLES, optimizer="momentum", epochs=4, patience=2)
    runs = train_runs(problem, EXPLODING, STEADY, IDLE)
    assert [run.status for run in runs] == [Status.DIVERGED, Status.FINISHED, Status.STOPPED_EARLY]
    (alone,) = train_runs(problem, STEADY)
    assert difference(problem, runs[1], alone) <= 1e-12
    assert all(np.isfinite(leaf).all() for leaf in weights_of(problem, runs[0]))


def test_history_of_a_stack_fills_up_with_nan() -> None:
    problem = small_problem(activation="relu", segment_steps=3)
    runs = train_runs(problem, EXPLODING, STEADY)
    history = History.of(runs)
    assert history.batch_losses.shape == (2 * STEPS, 2)
    np.testing.assert_array_equal(history.batch_losses[:, 1], runs[1].losses)
    ended = len(runs[0].losses)
    np.testing.assert_array_equal(history.batch_losses[:ended, 0], runs[0].losses)
    assert np.isnan(history.batch_losses[ended:, 0]).all()
    assert history.run.tolist() == [1, 1]
    assert history.epoch.tolist() == [1, 2]
