"""Clipping, averaging and rates by kind in a whole training: the parameters validated, kept and saved."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.helpers import cases, relative_difference, tolerance
from tests.training.small import EXAMPLES, small_problem, train_runs, weights_of
from tests.training.test_stacked_runs import EXPLODING, OTHER, STEADY, difference
from xpmlp._tree import leaves, map_leaves
from xpmlp.backend import Backend, resolve
from xpmlp.errors import ConfigError
from xpmlp.optim import optimizers
from xpmlp.training import Reporter, Run, Status
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.memory import footprint
from xpmlp.training.policy import ConfigPolicy
from xpmlp.training.run import RunSettings
from xpmlp.training.step import TrainingState

ALL: dict[str, Any] = {"clip_norm": 0.05, "averaging": 0.8, "rates": {"biases": 0.1}}


class Watching(ConfigPolicy):
    """Keeps a run's parameters after each epoch."""

    def __init__(self, problem: ConfigTrainable) -> None:
        super().__init__(problem, problem.config.train, "constant")
        self.seen: list[Any] = []

    def epoch_ended(self, run: Run, column: int, state: TrainingState) -> bool:
        self.seen.append(self.backend.copy(state.parameters))
        return super().epoch_ended(run, column, state)


def average(seen: Sequence[Any], decay: float) -> Any:
    """The mean of all parameters that were seen: the last ones with the weight 1, those before with ``decay``, ..."""
    weights = decay ** np.arange(len(seen))[::-1]
    columns = zip(*([leaf for _, leaf in leaves(one)] for one in seen), strict=True)
    return map_leaves(lambda _: np.average(np.stack(next(columns)), axis=0, weights=weights), seen[0])


@pytest.mark.parametrize("patience", [None, 1])
def test_averages_are_validated_and_kept(patience: int | None) -> None:
    whole = {"batch_size": EXAMPLES, "epochs": 7, "learning_rate": 2.0}  # all parameters are seen: one step an epoch
    problem = small_problem(**whole, averaging=0.7, patience=patience, min_improvement=0.02, evaluate_train=True)
    policy = Watching(problem)
    with problem.backend.session(1):
        (run,) = train_block(problem, [RunSettings.of(problem.config.train)], Reporter(), lambda: False, policy)
    (plain,) = train_runs(small_problem(**whole))
    assert relative_difference(run.losses, plain.losses[: len(run.losses)]) < 1e-13, "it is the same training"
    assert problem.validation_examples is not None
    for epoch, (row, after) in enumerate(zip(run.epochs, run.train_scores, strict=True), start=1):
        mean = average(policy.seen[:epoch], 0.7)
        for loss, examples in (
            (row.validation_loss, problem.validation_examples),
            (after.loss, problem.train_examples),
        ):
            assert loss == pytest.approx(problem.inference.evaluate(mean, examples)[0].loss, rel=1e-12)
    assert (run.status is Status.STOPPED_EARLY) == (patience is not None)
    kept = [leaf for _, leaf in leaves(average(policy.seen[: run.best_epoch or 7], 0.7))]
    for actual, wanted in zip(weights_of(problem, run), kept, strict=True):
        assert relative_difference(actual, wanted) < 1e-13


def test_a_divergence_leaves_the_last_finite_average() -> None:
    problem = small_problem(activation="relu", segment_steps=3, epochs=4, averaging=0.5)
    policy = Watching(problem)
    # the weights grow without bound from the second epoch on
    policy.learning_rates = lambda run, epoch, steps: 0.1 if epoch == 1 else 1e200  # type: ignore[method-assign]
    with problem.backend.session(8):
        (run,) = train_block(problem, [RunSettings.of(problem.config.train)], Reporter(), lambda: False, policy)
    assert run.status is Status.DIVERGED
    (first,) = train_runs(small_problem(activation="relu", segment_steps=3, epochs=1, averaging=0.5, learning_rate=0.1))
    for actual, wanted in zip(weights_of(problem, run), weights_of(problem, first), strict=True):
        np.testing.assert_array_equal(actual, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_stacked_runs_equal_each_alone(backend: Backend, optimizer: str) -> None:
    problem = small_problem(backend, activation="relu", optimizer=optimizer, **ALL)
    settings = [STEADY, EXPLODING._replace(weight_decay=10.0), OTHER._replace(weight_decay=0.1)]
    for run, one in zip(train_runs(problem, *settings), settings, strict=True):
        (alone,) = train_runs(problem, one)
        if run.status is Status.FINISHED:
            assert difference(problem, run, alone) <= 1e-12
    assert [run.status for run in train_runs(problem, *settings)][::2] == [Status.FINISHED] * 2


@pytest.mark.parametrize("optimizer", optimizers)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_such_steps_are_compiled(optimizer: str, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="Numba is not installed: nothing is compiled")
    compiling: Any = resolve("numpy", None, dtype).backend
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        plain = resolve("numpy", None, dtype).backend
    changes = {"optimizer": optimizer, "learning_rate": 0.01, "weight_decay": 0.1, **ALL}
    problems = [small_problem(backend, **changes) for backend in (compiling, plain)]
    (one,), (other,) = map(train_runs, problems)
    programs = [ready for known in compiling._scans._programs.values() for ready in known.values()]
    assert programs
    assert all(program is not None for program in programs)
    allowed = tolerance(compiling, 2e-5, 1e-11)
    assert relative_difference(one.losses, other.losses) <= allowed
    host = [[np.asarray(leaf) for _, leaf in leaves(run.parameters)] for run in (one, other)]
    assert max(relative_difference(*pair) for pair in zip(*host, strict=True)) <= allowed


@pytest.mark.parametrize("changes", [{name: value} for name, value in ALL.items()], ids=", ".join)
def test_updates_are_not_delayed(changes: dict[str, Any]) -> None:
    problem = small_problem(optimizer="sgd", **changes)
    assert problem.optimizer.update_from_factors is None
    assert problem.rows_at_once == 8
    assert small_problem(optimizer="sgd", rates={"biases": 1.0}).optimizer.update_from_factors is None
    assert small_problem(optimizer="sgd", rates={}).optimizer.update_from_factors is not None


def test_a_rate_for_a_kind_that_there_is_not() -> None:
    words = r"^train\.rates has a factor for 'bias', which is no kind of the network's parameters; they are weights, bi"
    with pytest.raises(ConfigError, match=words):
        train_runs(small_problem(rates={"weights": 2.0, "bias": 0.1}))


def test_a_rate_for_a_kind_of_other_layers_changes_nothing() -> None:
    known, more = {"biases": 0.1}, {"biases": 0.1, "alphas": 2.0}
    one, other = (train_runs(small_problem(rates=rates))[0] for rates in (known, more))
    np.testing.assert_array_equal(one.losses, other.losses)


def test_averages_take_memory() -> None:
    size = 8 * sum(leaf.size for leaf in weights_of(small_problem(), train_runs(small_problem())[0]))
    for optimizer, record in optimizers.items():
        plain, averaged = (
            footprint(small_problem(optimizer=optimizer, **more)).run for more in ({}, {"averaging": 0.9})
        )
        assert averaged - plain == size
        assert plain - footprint(small_problem()).run == record.slots * size
