"""Early stopping against its rule, applied by hand to the curve of a training without it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from array_api_compat import numpy as numpy_namespace

from tests.training.small import small_dataset, small_problem, train_runs, weights_of
from xpmlp.errors import ConfigError
from xpmlp.nn import criteria, pure_ops
from xpmlp.training import Reporter, Run, Status
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings
from xpmlp.training.stack import as_stack

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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["log_loss", "refined_log_loss", "error", "auc"])
def test_the_last_of_the_best_epochs_by_a_criterion(name: str) -> None:
    problem = problem_with(best_by=name)
    (run,) = train_runs(problem)
    figures = [figure_after(epoch, name) for epoch in range(1, EPOCHS + 1)]
    assert run.status is Status.FINISHED
    assert len(run.epochs) == EPOCHS
    assert run.best_loss == min(figures)
    assert run.best_epoch == EPOCHS - figures[::-1].index(min(figures))
    assert_kept_of(problem, run, run.best_epoch)


def figure_after(epoch: int, name: str) -> float:
    """The criterion of a training of only so many epochs, of its predictions for the validation part."""
    problem = problem_with(epochs=epoch)
    (run,) = train_runs(problem)
    part = problem.dataset.validation
    assert part is not None
    prediction = problem.inference.predict(run.parameters, part.features)
    ops, n = pure_ops(numpy_namespace), len(part)
    return float(criteria[name].value(ops, prediction[None], np.eye(3)[part.targets], np.full(n, 1 / n))[0])


def test_patience_counts_epochs_without_a_better_figure() -> None:
    figures = [figure_after(epoch, "error") for epoch in range(1, EPOCHS + 1)]
    (run,) = train_runs(problem_with(best_by="error", patience=2))
    best, best_epoch, last = math.inf, 0, EPOCHS
    for epoch, figure in enumerate(figures, start=1):
        if figure <= best:
            best, best_epoch = figure, epoch
        if epoch - best_epoch == 2:
            last = epoch
            break
    assert (len(run.epochs), run.best_epoch) == (last, best_epoch)


def test_a_criterion_for_other_targets_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.best_by = rmse is for flags or values, and the targets are classes"):
        train_runs(problem_with(best_by="rmse"))


def test_stacked_runs_keep_what_each_keeps_alone() -> None:
    problem = problem_with(best_by="refined_log_loss")
    settings = [RunSettings(seed, 0.5, 0.0, 0.9) for seed in (0, 1)]
    for stacked, one in zip(train_runs(problem, *settings), settings, strict=True):
        (alone,) = train_runs(problem, one)
        assert (stacked.best_epoch, stacked.best_loss) == (alone.best_epoch, alone.best_loss)
