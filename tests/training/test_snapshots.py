"""Snapshots of the state: a training resumed from any of them ends with the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import Case, cases, relative_difference
from tests.training.small import small_problem, weights_of
from xpmlp._tree import leaves
from xpmlp.backend import Backend
from xpmlp.storage import CheckpointWriter, newest_checkpoint
from xpmlp.training import Reporter, Run, Status
from xpmlp.training.checkpointing import decode, encode
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.inference import Score
from xpmlp.training.loop import train_block
from xpmlp.training.run import EpochRow, RunSettings
from xpmlp.training.snapshot import Snapshot

BITWISE = cases("numpy") + [pytest.param(Case(name, "cpu", "float32"), id=name) for name in ("torch", "jax", "strict")]

STACK = [RunSettings(0, 0.5, 0.0, 0.9), RunSettings(1, 0.1, 0.01, 0.5), RunSettings(2, 1.0, 0.0, 0.9)]


@dataclass
class Kept:
    """Keeps a snapshot of every segment."""

    snapshots: list[Snapshot] = field(default_factory=list)

    def due(self, *, epoch_ended: bool, steps: int) -> bool:
        return True

    def save(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)


def trained(problem: ConfigTrainable, settings: list[RunSettings], **how: Any) -> list[Run]:
    with problem.backend.session(problem.config.train.batch_size):
        return train_block(problem, settings, Reporter(), how.pop("should_stop", lambda: False), **how)


def results(problem: ConfigTrainable, runs: list[Run]) -> list[Any]:
    """All that a training gives, but for the time it took."""
    records = [(run.status, run.epochs, run.train_scores, run.best_epoch, run.ended_at) for run in runs]
    arrays = [run.losses for run in runs] + [weights for run in runs for weights in weights_of(problem, run)]
    return [records, [(array.dtype, array.shape, array.tobytes()) for array in arrays]]


PROBLEMS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum": {"optimizer": "momentum", "learning_rate": 0.05},
    "adam": {"optimizer": "adam", "learning_rate": 0.01},
    "inverse scaling": {"schedule": "inverse_scaling"},
    "adaptive": {"schedule": "adaptive", "n_iter_no_change": 1, "tol": 0.5},
    "cosine": {"schedule": "cosine"},
    "early stopping": {"epochs": 12, "patience": 1, "learning_rate": 2.0},
    "training scores": {"evaluate_train": True, "weight_decay": 0.01},
    "as they come": {"shuffle": False, "segment_steps": 4},
}

QUICK = ("sgd", "adam", "adaptive", "early stopping")


@pytest.mark.slow
@pytest.mark.parametrize("backend", BITWISE, indirect=True)
@pytest.mark.parametrize(
    "train",
    [pytest.param(train, id=name, marks=() if name in QUICK else pytest.mark.slow) for name, train in PROBLEMS.items()],
)
def test_from_any_snapshot_to_the_same_bits(backend: Backend, train: dict[str, Any]) -> None:
    problem = small_problem(backend, **{"epochs": 4, "segment_steps": 3, **train})
    alone = [RunSettings.of(problem.config.train)]
    kept = Kept()
    wanted = results(problem, trained(problem, alone))
    assert results(problem, trained(problem, alone, saver=kept)) == wanted, "snapshots change nothing"
    assert len(kept.snapshots) > 8
    for snapshot in kept.snapshots if backend.name == "numpy" else kept.snapshots[1::4]:
        assert results(problem, trained(problem, alone, start=snapshot)) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("backend", BITWISE, indirect=True)
@pytest.mark.parametrize("train", [{"optimizer": "adam"}, {"patience": 1, "epochs": 8}], ids=["adam", "early stopping"])
def test_a_stack_goes_on(backend: Backend, train: dict[str, Any]) -> None:
    problem = small_problem(backend, **{"epochs": 3, "segment_steps": 4, **train})
    kept = Kept()
    wanted = results(problem, trained(problem, STACK, saver=kept))
    for snapshot in kept.snapshots[1::3]:
        assert results(problem, trained(problem, STACK, start=snapshot)) == wanted


def test_a_stack_that_some_runs_have_left() -> None:
    """One diverges at once, one stops early: the snapshots after that hold fewer runs."""
    problem = small_problem(activation="identity", epochs=30, patience=2, min_improvement=0.01)
    stack = [RunSettings(0, 0.01, 0.0, 0.9), RunSettings(1, 1e200, 0.0, 0.9), RunSettings(2, 0.5, 0.0, 0.9)]
    kept = Kept()
    runs = trained(problem, stack, saver=kept)
    wanted = results(problem, runs)
    assert {len(snapshot.running) for snapshot in kept.snapshots} >= {2, 1}
    assert runs[1].status is Status.DIVERGED
    for snapshot in kept.snapshots:
        assert results(problem, trained(problem, stack, start=snapshot)) == wanted


def test_twice_as_many_epochs() -> None:
    problem, longer = small_problem(epochs=3), small_problem(epochs=6)
    alone, kept = [RunSettings.of(problem.config.train)], Kept()
    trained(problem, alone, saver=kept)
    last = kept.snapshots[-1]
    assert (last.epoch, last.steps_under_way, last.steps) == (4, 0, 27)
    assert results(longer, trained(longer, alone, start=last)) == results(longer, trained(longer, alone))


def test_a_snapshot_is_taken_only_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise nothing but losses and counts comes to the host."""
    problem = small_problem(optimizer="adam", segment_steps=3, epochs=2)
    sizes: list[int] = []
    to_numpy = problem.backend.to_numpy

    def recording(array: Any) -> Any:
        sizes.append(array.size)
        return to_numpy(array)

    class Never(Kept):
        def due(self, *, epoch_ended: bool, steps: int) -> bool:
            heard.append((epoch_ended, steps))
            return False

    monkeypatch.setattr(problem.backend, "to_numpy", recording)
    heard: list[tuple[bool, int]] = []
    never = Never()
    trained(problem, [RunSettings.of(problem.config.train)], saver=never)
    assert heard == [(False, 3), (False, 6), (False, 8), (True, 9), (False, 12), (False, 15), (False, 17), (True, 18)]
    assert len(never.snapshots) == 1, "at the end"
    (last,) = never.snapshots
    assert sum(size > 3 for size in sizes) == sum(leaf.size > 3 for _, leaf in leaves(last.state)), "at the end"


def test_a_snapshot_shares_no_memory_with_the_training() -> None:
    problem = small_problem(optimizer="momentum", segment_steps=3)
    alone, kept = [RunSettings.of(problem.config.train)], Kept()
    trained(problem, alone, saver=kept)
    first = kept.snapshots[0]
    before = [(name, leaf.copy()) for name, leaf in leaves(first.state)]
    trained(problem, alone, start=first)
    for (name, leaf), (_, old) in zip(leaves(first.state), before, strict=True):
        np.testing.assert_array_equal(leaf, old, err_msg=name)
    assert (first.epoch, first.steps, len(first.runs[0].epochs)) == (1, 3, 0)


def test_an_interrupted_training_goes_on_where_it_was_stopped() -> None:
    problem = small_problem(segment_steps=3, epochs=3)
    alone, kept = [RunSettings.of(problem.config.train)], Kept()
    answers = iter([False] * 5 + [True])
    (run,) = trained(problem, alone, saver=kept, should_stop=lambda: next(answers))
    assert (run.status, len(run.losses)) == (Status.INTERRUPTED, 12)
    last = kept.snapshots[-1]
    assert (last.epoch, last.steps_under_way) == (2, 3)
    assert last.runs[0].status is Status.RUNNING
    wanted = results(problem, trained(problem, alone))
    assert results(problem, trained(problem, alone, start=last)) == wanted


@pytest.mark.slow
def test_from_one_backend_to_another(get_backend: Callable[..., Backend]) -> None:
    """Every pair of libraries: to rounding, as if the second had trained alone."""
    names = ("numpy", "torch", "jax", "strict")
    kept: dict[str, Snapshot] = {}
    ended: dict[str, Any] = {}
    for name in names:
        problem = small_problem(get_backend(name, "cpu", "float64"), optimizer="adam", epochs=4, segment_steps=3)
        saver = Kept()
        (run,) = trained(problem, [RunSettings.of(problem.config.train)], saver=saver)
        kept[name], ended[name] = saver.snapshots[5], weights_of(problem, run)
    for one in names:
        for other in names:
            problem = small_problem(get_backend(other, "cpu", "float64"), optimizer="adam", epochs=4, segment_steps=3)
            (run,) = trained(problem, [RunSettings.of(problem.config.train)], start=kept[one])
            for actual, wanted in zip(weights_of(problem, run), ended[other], strict=True):
                assert relative_difference(actual, wanted) <= 1e-12, (one, other)


def test_other_cuts_than_before() -> None:
    """With other segments, the rest of the epoch is cut anew: the same steps on NumPy."""
    first = small_problem(epochs=2, segment_steps=2)
    alone, kept = [RunSettings.of(first.config.train)], Kept()
    (wanted,) = trained(first, alone, saver=kept)
    snapshot = next(one for one in kept.snapshots if one.steps == 4)
    other = small_problem(epochs=2, segment_steps=7)
    (run,) = trained(other, alone, start=snapshot)
    assert [len(losses) for losses in run.batch_losses] == [2, 2, 4, 1, 7, 1, 1]
    np.testing.assert_array_equal(run.losses, wanted.losses)
    for actual, expected in zip(weights_of(other, run), weights_of(first, wanted), strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.slow(reason="a million rows")
def test_a_million_epochs_fit_into_a_checkpoint(tmp_path: Path) -> None:
    """As JSON they were more than a safetensors file takes in its metadata; what is missing or no number returns."""
    problem, kept = small_problem(epochs=1), Kept()
    trained(problem, [RunSettings.of(problem.config.train)], saver=kept)
    rows = [EpochRow(epoch, 1 / 3, 2 / 3, 1 / 3, 2 / 3, 1 / 7) for epoch in range(1, 1_000_001)]
    rows[0] = EpochRow(1, math.inf, math.nan, None, None, 0.0)
    snapshot = replace(kept.snapshots[-1], epoch=1_000_001)
    (run,) = snapshot.runs
    run.epochs, run.train_scores = rows, [Score(1 / 3, math.nan)]
    description, tensors = encode(snapshot)
    losses = [one.batch_losses for one in snapshot.runs]
    CheckpointWriter(tmp_path, 1, 1).write(snapshot.steps, {"training": description}, tensors, losses)
    checkpoint = newest_checkpoint(tmp_path, lambda _: None)
    assert checkpoint is not None
    (found,) = decode(checkpoint, problem).runs
    assert str(found.epochs[0]) == str(rows[0])
    assert found.epochs[1:] == rows[1:]
    assert str(found.train_scores) == str(run.train_scores)
