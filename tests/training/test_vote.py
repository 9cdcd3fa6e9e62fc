"""Votes: each member trains as it would alone, and their mean is judged, saved and predicted."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import sklearn.metrics

import xpmlp
from tests.digits import digits_config
from tests.training.small import small_dataset, small_problem, train_runs
from xpmlp._tree import leaves
from xpmlp.backend import Backend
from xpmlp.config import Config
from xpmlp.data.folds import fold_numbers
from xpmlp.errors import ConfigError
from xpmlp.training import Run, Status, trainer
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.run import RunSettings
from xpmlp.training.vote import VoteTrainable, joined, settings_of, voters_note

EPOCHS = 6


def vote_problem(**train: Any) -> VoteTrainable:
    alone = small_problem(dataset=small_dataset(noise=0.6), **{"epochs": EPOCHS, **train})
    return VoteTrainable(alone.config, alone.dataset, alone.backend)


def members_of(problem: ConfigTrainable) -> list[Run]:
    return train_runs(problem, *settings_of(problem.config))


def predicted(problem: ConfigTrainable, parameters: Any, features: Any) -> np.ndarray:
    return problem.inference.predict(parameters, features)


def test_a_member_is_what_it_is_alone() -> None:
    runs = members_of(vote_problem(members=3, seed=5))
    for member, run in enumerate(runs):
        (alone,) = train_runs(small_problem(dataset=small_dataset(noise=0.6), epochs=EPOCHS, seed=5 + member))
        np.testing.assert_array_equal(run.losses, alone.losses)


def test_a_vote_is_the_mean_of_its_members() -> None:
    problem = vote_problem(members=3)
    runs = members_of(problem)
    vote = problem.voting(runs)
    assert problem.dataset.validation is not None
    features = problem.dataset.validation.features
    expected = np.mean([predicted(problem, run.parameters, features) for run in runs], axis=0)
    run = joined(runs, RunSettings.of(problem.config.train))
    np.testing.assert_allclose(predicted(vote, run.parameters, features), expected, rtol=1e-14)
    assert run.epochs[-1].train_loss == pytest.approx(np.mean([one.epochs[-1].train_loss for one in runs]))


def test_members_are_judged_together_by_their_mean_prediction() -> None:
    problem = vote_problem(members=3, best_by="log_loss")
    runs = members_of(problem)
    part = problem.dataset.validation
    assert part is not None
    figures = []
    for epoch in range(1, EPOCHS + 1):
        shorter = vote_problem(members=3, epochs=epoch)
        outputs = [predicted(shorter, run.parameters, part.features) for run in members_of(shorter)]
        figures.append(-np.log(np.mean(outputs, axis=0)[np.arange(len(part)), part.targets]).mean())
    assert [run.best_epoch for run in runs] == [1 + int(np.argmin(figures))] * 3
    np.testing.assert_allclose([run.best_loss for run in runs], min(figures), rtol=1e-12)


def test_folds_are_left_out_in_turn() -> None:
    problem = vote_problem(folds=3, members=2, best_by="error", seed=7)
    settings = settings_of(problem.config)
    assert [one.seed for one in settings] == list(range(7, 13))
    assert problem.folds is not None
    n = len(problem.folds)
    assert problem.n_examples == n - -(-n // 3)
    for one in settings:
        held_out = np.flatnonzero(problem.folds == (one.seed - 7) % 3)
        order = problem.policy.order(Run(one), 1)
        assert len(order) == len(np.unique(order)) == problem.n_examples
        assert not set(order) & set(held_out)
    runs = members_of(problem)
    out_of_fold = problem.out_of_fold(runs)
    expected = np.zeros((n, 3))
    for run in runs:
        fold = problem.folds == (run.settings.seed - 7) % 3
        outputs = predicted(problem, run.parameters, problem.dataset.train.features[fold])
        expected[fold] += outputs / 2
        wrong = outputs.argmax(axis=1) != problem.dataset.train.targets[fold]
        assert run.best_loss == pytest.approx(wrong.mean())
    np.testing.assert_allclose(out_of_fold, expected, rtol=1e-12)


def test_without_a_validation_part_epochs_show_the_scores_of_the_folds() -> None:
    given = vote_problem(folds=3, best_by="error")
    problem = VoteTrainable(given.config, replace(given.dataset, validation=None), given.backend)
    assert problem.folds is not None
    for run in members_of(problem):
        fold = problem.folds == problem.fold_of(run.settings.seed)
        outputs = predicted(problem, run.parameters, problem.dataset.train.features[fold])
        targets = problem.dataset.train.targets[fold]
        kept = run.epochs[run.best_epoch - 1]
        assert kept.validation_value == pytest.approx(np.mean(outputs.argmax(axis=1) == targets))
        assert kept.validation_loss == pytest.approx(-np.log(outputs[np.arange(len(targets)), targets]).mean())


def test_a_fold_is_not_learned_from() -> None:
    """Other targets in a fold change nothing in the member that leaves it out, until it is judged."""
    problem = vote_problem(folds=3)
    first = members_of(problem)[0]
    assert problem.folds is not None
    dataset = problem.dataset
    dataset.train.targets[problem.folds == 0] = 0
    other = VoteTrainable(problem.config, dataset, problem.backend)
    object.__setattr__(dataset, "folds", problem.folds)
    np.testing.assert_array_equal(members_of(other)[0].losses, first.losses)


def test_folds_have_equal_shares_of_each_class() -> None:
    targets = np.repeat([0, 1, 2], [50, 23, 4])
    numbers = fold_numbers(targets, 5, seed=1)
    for members in (targets >= 0, *(targets == one for one in range(3))):
        counts = np.bincount(numbers[members], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.bincount(fold_numbers(np.zeros((12, 1)), 5, seed=1)).tolist() == [3, 3, 2, 2, 2]


def test_a_member_that_diverges_leaves_the_vote() -> None:
    problem = vote_problem(members=3)
    settings = settings_of(problem.config)
    runs = train_runs(problem, settings[0], settings[1]._replace(learning_rate=np.inf), settings[2])
    assert [run.status for run in runs] == [Status.FINISHED, Status.DIVERGED, Status.FINISHED]
    assert "1 of 3 members diverged and leave the vote (seed 1)" in (voters_note(runs) or "")
    vote = joined(runs, settings[0])
    assert vote.status is Status.FINISHED
    assert vote.parameters is not None
    assert len(vote.parameters) == 2
    assert problem.voting(runs).network.root.repeats == 2


def test_the_only_member_left_is_saved_and_predicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(config: Config) -> list[RunSettings]:
        first, *others = settings_of(config)
        return [first._replace(learning_rate=np.inf), *others]

    alone = xpmlp.train(digits_config({"train.epochs": 2, "train.seed": 1, "data.split": "three-way"}))
    monkeypatch.setattr(trainer, "settings_of", diverging)
    config = digits_config({"train.epochs": 2, "train.members": 2, "data.split": "three-way"})
    result = xpmlp.train(config, tmp_path / "run")
    assert result.run.test == alone.run.test
    evaluation = xpmlp.evaluate(tmp_path / "run", "test")
    assert alone.run.test is not None
    assert evaluation.score.loss == pytest.approx(alone.run.test.loss, rel=1e-6)


def test_figures_on_the_training_part_are_means_of_the_members(tmp_path: Path) -> None:
    config = digits_config({"train.epochs": 2, "train.members": 2, "train.evaluate_train": True})
    vote = xpmlp.train(config, tmp_path / "run")
    alone = [
        xpmlp.train(digits_config({"train.epochs": 2, "train.seed": seed, "train.evaluate_train": True}))
        for seed in (0, 1)
    ]
    expected = np.mean([one.run.train_scores for one in alone], axis=0)
    np.testing.assert_allclose(vote.run.train_scores, expected, rtol=1e-12)
    assert len((tmp_path / "run" / "train_after.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("keys", [{"train.folds": 5}, {"train.members": 2}, {}])
def test_the_steps_of_an_epoch_are_those_of_a_member(keys: dict[str, Any], tmp_path: Path) -> None:
    config = digits_config({"train.epochs": 2, "train.batch_size": 300, **keys})
    result = xpmlp.train(config, tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert 2 * facts["steps_per_epoch"] == len(result.history.batch_losses) == len(result.run.losses)


@pytest.mark.parametrize("how", ["apart", "together"])
def test_weights_of_classes_are_for_training_only(how: str) -> None:
    """Without progress, the figures of folds do not depend on them; nor do the temperatures."""
    figures = []
    for class_weight in (None, {"0": 50.0}):
        problem = vote_problem(
            folds=3, learning_rate=0.0, best_by="log_loss", calibrate=True, judge_folds=how, class_weight=class_weight
        )
        runs = members_of(problem)
        problem.calibrate(runs)
        last = [run.parameters[-1].weights for run in runs if run.parameters is not None]
        figures.append(([(run.best_loss, run.epochs[-1].validation_loss) for run in runs], last))
    np.testing.assert_array_equal(figures[0][0], figures[1][0])
    np.testing.assert_array_equal(figures[0][1], figures[1][1])


def test_a_fold_without_weight_is_judged_by_equal_weights() -> None:
    problem = vote_problem(folds=3, best_by="log_loss", calibrate=True)
    assert problem.folds is not None
    weights = (problem.folds != 1).astype(np.float64)
    weighted = replace(problem, dataset=replace(problem.dataset, train=replace(problem.dataset.train, weights=weights)))
    runs = members_of(weighted)
    weighted.calibrate(runs)
    assert all(run.best_epoch for run in runs)
    assert all(np.isfinite(leaf).all() for run in runs for _, leaf in leaves(run.parameters))


@pytest.mark.parametrize("keys", [{"train.members": 3}, {"train.folds": 3, "train.best_by": "refined_log_loss"}])
def test_saved_predicted_and_evaluated(
    keys: dict[str, Any], tmp_path: Path, backend: Backend, get_backend: Callable[..., Backend]
) -> None:
    place = {"backend.name": backend.name, "backend.device": backend.device_name, "backend.dtype": backend.dtype_name}
    config = digits_config({"train.epochs": 2, "data.split": "three-way", **keys, **place})
    result = xpmlp.train(config, tmp_path / "run")
    assert len(result.parameters) == result.network.root.repeats == 3
    evaluation = xpmlp.evaluate(tmp_path / "run", "test")
    assert result.run.test is not None
    assert evaluation.score.loss == pytest.approx(result.run.test.loss, rel=1e-5)
    data = xpmlp.training.trainer.load_data(config)
    assert data.test is not None
    outputs = xpmlp.predict(tmp_path / "run", data.test.features).outputs
    loss = -np.log(outputs[np.arange(len(outputs)), data.test.targets]).mean()
    assert evaluation.score.value == np.mean(outputs.argmax(1) == data.test.targets)
    assert evaluation.score.loss == pytest.approx(loss, rel=1e-5)  # of the mean prediction, and not of the members
    assert (result.out_of_fold is not None) == ("train.folds" in keys)
    other = xpmlp.predict(tmp_path / "run", data.test.features, backend="numpy", device="cpu").outputs
    np.testing.assert_allclose(other, outputs, atol=1e-5)


def test_a_vote_in_a_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"is for a single vote"):
        Config(data={"name": "digits"}, train={"members": 2}, grid={"runs": 2})


@pytest.mark.parametrize("folds", [None, 3])
def test_calibrated_members_have_the_lowest_log_loss_of_all_temperatures(folds: int | None) -> None:
    """A factor on the last layer's weights is one on the logits: by SciPy none would do better."""
    plain, calibrated = (vote_problem(folds=folds, members=2, calibrate=one) for one in (False, True))
    runs, warmer = members_of(plain), members_of(calibrated)
    calibrated.calibrate(warmer)
    for run, other in zip(runs, warmer, strict=True):
        part = plain.left_out(plain.fold_of(run.settings.seed)) if folds else plain.dataset.validation
        assert part is not None
        before, after = (predicted(plain, one.parameters, part.features) for one in (run, other))

        def log_loss(log: float, before: Any = before, part: Any = part) -> float:
            powers = before ** np.exp(log)
            powers /= powers.sum(axis=1, keepdims=True)
            return float(-np.log(powers[np.arange(len(part)), part.targets]).mean())

        best = scipy.optimize.minimize_scalar(log_loss, bounds=(-4, 4), method="bounded")
        assert -np.log(after[np.arange(len(part)), part.targets]).mean() == pytest.approx(best.fun, rel=1e-7)
        assert (after.argmax(axis=1) == before.argmax(axis=1)).all()


def test_calibration_is_for_classes() -> None:
    x = np.linspace(-1, 1, 40)[:, None]
    config = xpmlp.Config(data={"name": "arrays"}, train={"calibrate": True})
    with pytest.raises(ConfigError, match="is for classes, and not for the loss squared"):
        xpmlp.train(config, data=xpmlp.from_arrays(x, x**2, validation=(x, x**2), values=True))


def test_few_examples_are_judged_together_out_of_fold() -> None:
    """Every member keeps the epoch at which all predictions out of fold together are best, by scikit-learn's figure."""
    problem = vote_problem(folds=3, best_by="log_loss", judge_folds="together")
    losses = []
    for epochs in range(1, EPOCHS + 1):  # of which each is what the longer training has after that epoch
        shorter = vote_problem(folds=3, epochs=epochs)
        prediction = shorter.out_of_fold(members_of(shorter))
        losses.append(sklearn.metrics.log_loss(problem.dataset.train.targets, prediction))
    runs = members_of(problem)
    assert {run.best_epoch for run in runs} == {1 + int(np.argmin(losses))}
    assert [run.best_loss for run in runs] == pytest.approx([min(losses)] * 3, rel=1e-9)


def test_predictions_out_of_fold_that_nothing_reads_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an epoch they only decide which epoch is best."""
    made = []
    right = VoteTrainable.predicted_out_of_fold
    monkeypatch.setattr(VoteTrainable, "predicted_out_of_fold", lambda *one: made.append(one) or right(*one))
    members_of(vote_problem(folds=3, judge_folds="together"))
    assert not made
    members_of(vote_problem(folds=3, judge_folds="together", best_by="log_loss"))
    assert len(made) == EPOCHS


def test_folds_judged_together_have_one_temperature() -> None:
    """By SciPy none would be more probable, if its logarithm is normal before anything is known."""
    plain, calibrated = (vote_problem(folds=3, calibrate=one, judge_folds="together") for one in (False, True))
    before, runs = plain.out_of_fold(members_of(plain)), members_of(calibrated)
    calibrated.calibrate(runs)
    after, targets = calibrated.out_of_fold(runs), plain.dataset.train.targets
    assert before is not None
    assert after is not None
    n = len(before)

    def at(log: float) -> np.ndarray:
        powers = before ** np.exp(log)
        return powers / powers.sum(axis=1, keepdims=True)

    def improbable(log: float) -> float:
        return float(-np.log(at(log)[np.arange(n), targets]).sum() + log**2 / 2)

    best = scipy.optimize.minimize_scalar(improbable, bounds=(-4, 4), method="bounded", options={"xatol": 1e-10})
    np.testing.assert_allclose(after, at(best.x), rtol=1e-5)


def test_classes_told_apart_without_a_mistake_are_not_called_certain() -> None:
    problem = vote_problem(folds=3)
    n = len(problem.train_part)
    right = np.eye(3)[problem.train_part.targets] * 0.1 + 0.3
    assert problem.inference.sharpening(right, problem.train_examples) > 50
    factor = problem.inference.sharpening(right, problem.train_examples, cautious=True)
    wrong = 1 - 1 / (1 + 2 * 0.75**factor)  # where the derivatives of both parts, by the factor's logarithm, are alike
    assert n * wrong * factor * np.log(4 / 3) == pytest.approx(np.log(factor), rel=1e-6)


@pytest.mark.parametrize(
    ("judge", "rows", "together"), [("auto", 999, True), ("auto", 1000, False), ("apart", 10, False)]
)
def test_few_examples_are_fewer_than_a_thousand(judge: str, rows: int, together: bool) -> None:
    problem = vote_problem(folds=2, judge_folds=judge)
    train = xpmlp.from_arrays(np.zeros((rows, 2)), np.arange(rows) % 2, validation=None).train
    some = VoteTrainable(problem.config, dataclasses.replace(problem.dataset, train=train), problem.backend)
    assert some.judged_together is together


def test_a_member_that_has_left_does_not_count_in_the_figure_of_all() -> None:
    problem = vote_problem(folds=3, best_by="log_loss", judge_folds="together")
    policy, runs = problem.policy, [Run(one) for one in settings_of(problem.config)]
    state = policy.initial_state([run.settings for run in runs[1:]])
    policy.scores(runs[1:], state)
    left = problem.folds != 0
    prediction = problem.out_of_fold(
        [dataclasses.replace(run, parameters=problem.initial_parameters(run.settings.seed)) for run in runs[1:]]
    )
    assert np.isnan(prediction[~left]).all()
    expected = sklearn.metrics.log_loss(problem.dataset.train.targets[left], prediction[left])
    assert policy.figure(runs[1], 0) == pytest.approx(expected, rel=1e-9)
