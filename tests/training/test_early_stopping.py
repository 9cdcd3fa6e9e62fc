"""Early stopping against its rule, applied by hand to the curve of a training that does not stop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.training.small import small_dataset, small_problem, train_runs, weights_of
from xpmlp.training import Reporter, Run, Status
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings
from xpmlp.training.step import as_stack

EPOCHS = 12
NOISY = {"epochs": EPOCHS, "learning_rate": 0.5, "seed": 0}
"""Its validation loss goes up and down."""


def problem_with(**train: object) -> ConfigTrainable:
    return small_problem(dataset=small_dataset(noise=0.6), **{**NOISY, **train})


@pytest.fixture(scope="module")
def curve() -> list[float]:
    """The validation loss of every epoch, without stopping."""
    (run,) = train_runs(problem_with())
    assert run.status is Status.FINISHED
    losses = [row.validation_loss or math.nan for row in run.epochs]
    assert sorted(losses, reverse=True) != losses
    return losses


def rule(curve: list[float], patience: int, least: float) -> tuple[int, int]:
    """(the last epoch, the best epoch), counted from 1."""
    best, best_epoch = math.inf, 0
    for epoch, loss in enumerate(curve, start=1):
        if loss < best - least:
            best, best_epoch = loss, epoch
        if epoch - best_epoch == patience:
            return epoch, best_epoch
    return len(curve), best_epoch


@pytest.mark.parametrize("patience", [1, 2, 4, EPOCHS])
@pytest.mark.parametrize("least", [0.0, 0.05, 0.5])
def test_stops_by_the_rule_and_keeps_the_best_weights(curve: list[float], patience: int, least: float) -> None:
    problem = problem_with(patience=patience, min_improvement=least)
    (run,) = train_runs(problem)
    last, best = rule(curve, patience, least)
    assert run.status is (Status.STOPPED_EARLY if last < EPOCHS or last - best == patience else Status.FINISHED)
    assert [row.validation_loss for row in run.epochs] == curve[:last]
    assert run.best_epoch == best
    assert_kept_of(problem, run, best)


def assert_kept_of(problem: ConfigTrainable, run: Run, epoch: int) -> None:
    """The run's weights are those of this epoch: another training, of only so many epochs, ends with the same."""
    other = problem_with(epochs=epoch)
    (shorter,) = train_runs(other)
    for kept, wanted in zip(weights_of(problem, run), weights_of(other, shorter), strict=True):
        np.testing.assert_array_equal(kept, wanted)


def test_the_cases_above_differ(curve: list[float]) -> None:
    outcomes = {rule(curve, patience, least) for patience in (1, 2, 4, EPOCHS) for least in (0.0, 0.05, 0.5)}
    assert len(outcomes) >= 4
    assert any(last < EPOCHS and best < last for last, best in outcomes)


def test_without_patience_the_last_weights_are_kept() -> None:
    problem = problem_with()
    (run,) = train_runs(problem)
    assert run.best_epoch == 0
    with problem.backend.session(8):
        assert problem.validation_examples is not None
        (score,) = problem.inference.evaluate(as_stack(run.parameters), problem.validation_examples)
    assert score.loss == run.epochs[-1].validation_loss


def test_an_interrupted_run_keeps_its_best_weights_too(curve: list[float]) -> None:
    problem = problem_with(patience=EPOCHS)
    asked = iter(range(1000))
    with problem.backend.session(8):
        # two segments an epoch: full batches and the tail; stop within the last epoch
        settings = [RunSettings.of(problem.config.train)]
        (run,) = train_block(problem, settings, Reporter(), lambda: next(asked) == 2 * (EPOCHS - 1) + 1)
    assert run.status is Status.INTERRUPTED
    assert len(run.epochs) == EPOCHS - 1
    _, best = rule(curve[:-1], EPOCHS, 0.0)
    assert best < EPOCHS - 1
    assert_kept_of(problem, run, best)
