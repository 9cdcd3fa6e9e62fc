"""Delayed updates give the same training as one step after another, to rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.helpers import cases, relative_difference, tolerance
from tests.training.small import small_dataset, small_problem, train_runs, weights_of
from xpmlp.backend import Backend, resolve
from xpmlp.config import ModelConfig
from xpmlp.data import Dataset, Part
from xpmlp.optim import optimizers
from xpmlp.training import Run, Status, delayed
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.run import RunSettings

FEATURES, EXAMPLES = 130, 64
"""Enough features for it to pay; at batch 1 an epoch is one block of 50 steps and one of 14."""

ONE = RunSettings(seed=0, learning_rate=0.02, weight_decay=0.0, momentum=0.0)
OTHER = RunSettings(seed=1, learning_rate=0.05, weight_decay=0.0, momentum=0.0)


def wide_dataset(*, weights: bool = False) -> Dataset:
    rng = np.random.default_rng(5)

    def part(examples: int) -> Part:
        features = rng.integers(0, 17, size=(examples, FEATURES), dtype=np.uint8)
        counts = rng.integers(0, 3, size=examples).astype(float) if weights else None
        return Part(features, rng.integers(0, 3, size=examples), counts)

    return replace(small_dataset(), train=part(EXAMPLES), validation=part(20))


def wide_problem(backend: Backend | None, *, weights: bool = False, model: Any = None, **train: Any) -> ConfigTrainable:
    settings = {"batch_size": 1, "epochs": 1, "learning_rate": 0.02, **train}
    problem = small_problem(backend, wide_dataset(weights=weights), **settings)
    network = ModelConfig(**{"hidden_layer_sizes": [7, 5], "activation": "sigmoid", **(model or {})})
    return replace(problem, config=problem.config.model_copy(update={"model": network}))


def both_ways(
    monkeypatch: pytest.MonkeyPatch, backend: Backend | None, settings: Sequence[RunSettings] = (), **more: Any
) -> tuple[ConfigTrainable, list[Run], list[Run]]:
    """Runs trained with delayed updates, and the same one step after another."""
    problem, plain = wide_problem(backend, **more), wide_problem(backend, **more)
    monkeypatch.setattr(
        problem.backend, "prefetch", problem.backend.prefetch._replace(most_delayed=25)
    )  # compiled steps take it only for the smallest batches
    assert problem.training_fold.steps_per_call > 1
    runs = train_runs(problem, *settings)
    monkeypatch.setattr(delayed, "LEAST_INPUTS", FEATURES + 1)
    assert plain.training_fold.steps_per_call == 1
    return problem, runs, train_runs(plain, *settings)


def assert_same(problem: ConfigTrainable, runs: Sequence[Run], others: Sequence[Run]) -> None:
    allowed = tolerance(problem.backend, 1e-5, 1e-12)
    for run, other in zip(runs, others, strict=True):
        assert relative_difference(run.losses, other.losses) <= allowed
        for actual, wanted in zip(weights_of(problem, run), weights_of(problem, other), strict=True):
            assert relative_difference(actual, wanted) <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3, 25])
def test_it_is_the_same_training(batch: int, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_same(*both_ways(monkeypatch, backend, batch_size=batch))


@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
@pytest.mark.parametrize("decays", [(0.5,), (0.5, 2.0), (0.0, 2.0)], ids=["one", "two", "one of two"])
def test_weight_decay_shrinks_delayed_updates(
    decays: Sequence[float], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [one._replace(weight_decay=decay) for one, decay in zip((ONE, OTHER), decays, strict=False)]
    assert_same(*both_ways(monkeypatch, backend, runs, batch_size=2))


@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
@pytest.mark.parametrize("more", [{"model": {"dropout": 0.5}}, {"weights": True}], ids=["dropout", "weights"])
@pytest.mark.parametrize("settings", [[ONE], [ONE, OTHER]], ids=["one", "two"])
def test_with_what_else_a_step_may_have(
    settings: list[RunSettings], more: dict[str, Any], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_same(*both_ways(monkeypatch, backend, settings, batch_size=4, **more))


@pytest.mark.slow
@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
def test_stacked_runs_equal_each_alone(backend: Backend) -> None:
    problem = wide_problem(backend, epochs=2)
    for one, run in zip((ONE, OTHER), train_runs(problem, ONE, OTHER), strict=True):
        assert_same(problem, [run], train_runs(problem, one))


@pytest.mark.parametrize("rate", [1e200, 1e307])
def test_a_divergence_is_seen_at_its_step(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [ONE._replace(learning_rate=rate), OTHER]
    relu = {"activation": "relu"}  # grows without bound, where a sigmoid's saturation is a matter of rounding
    problem, (bad, good), (other, _) = both_ways(monkeypatch, None, settings, model=relu)
    assert bad.status is other.status is Status.DIVERGED
    assert bad.ended_at == other.ended_at
    assert good.status is Status.FINISHED
    assert all(np.isfinite(leaf).all() for leaf in weights_of(problem, bad))


def test_only_small_batches_of_many_inputs_under_plain_sgd() -> None:
    assert [delayed.steps_per_call(batch, 784, 25) for batch in (1, 2, 8, 25, 26, 1000)] == [50, 25, 6, 2, 1, 1]
    assert [delayed.steps_per_call(batch, 784, 2) for batch in (2, 3)] == [25, 1]
    assert delayed.steps_per_call(1, 127, 25) == 1
    backend = resolve("numpy", None, "float64").backend
    for optimizer in optimizers:
        assert (wide_problem(backend, optimizer=optimizer).training_fold.steps_per_call > 1) == (optimizer == "sgd")
    for changes in ({"clip_norm": 1.0}, {"averaging": 0.9}, {"rates": {"biases": 0.5}}):
        assert wide_problem(backend, **changes).training_fold.steps_per_call == 1


def test_a_default_segment_is_whole_blocks_of_single_examples() -> None:
    assert wide_problem(None).config.train.segment_steps % delayed.ROWS == 0
