"""``train.evaluate_train``: the training examples' figures after each epoch, beside those during it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.training.small import small_problem, train_runs
from xpmlp.config import Config, DataConfig, GridConfig, OutputConfig, TrainConfig
from xpmlp.grid import train_grid
from xpmlp.training import train
from xpmlp.training.record import files_of
from xpmlp.training.run import RunSettings
from xpmlp.training.stack import as_stack


def test_a_score_is_that_of_the_weights_which_the_epoch_leaves() -> None:
    (whole,) = train_runs(small_problem(epochs=3, evaluate_train=True))
    assert len(whole.train_scores) == 3
    for epoch, score in enumerate(whole.train_scores, start=1):
        problem = small_problem(epochs=epoch)  # the same run, ended here
        (run,) = train_runs(problem)
        with problem.backend.session(8):
            (alone,) = problem.inference.evaluate(as_stack(run.parameters), problem.train_examples)
        assert score == pytest.approx(alone, rel=1e-12)
        assert run.train_scores == []


def test_evaluating_does_not_change_the_training() -> None:
    (with_scores,) = train_runs(small_problem(epochs=2, evaluate_train=True))
    (without,) = train_runs(small_problem(epochs=2))
    assert with_scores.epochs == without.epochs


def test_stacked_runs_have_a_score_each() -> None:
    problem = small_problem(epochs=2, evaluate_train=True)
    settings = [RunSettings(seed, 0.5, 0.0, 0.9) for seed in (3, 4)]
    stacked = train_runs(problem, *settings)
    for one, run in zip(settings, stacked, strict=True):
        (alone,) = train_runs(problem, one)
        for score, expected in zip(run.train_scores, alone.train_scores, strict=True):
            assert score == pytest.approx(expected, rel=1e-12)


def test_the_run_folders_hold_them_only_where_asked(tmp_path: Path) -> None:
    asked = Config(
        data=DataConfig(name="digits"),
        train=TrainConfig(epochs=2, evaluate_train=True),
        output=OutputConfig(plots=False),
    )
    result = train(asked, tmp_path / "one")
    text = (tmp_path / "one" / "train_after.csv").read_text()
    assert text == files_of([result.run])["train_after.csv"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["run"], row["epoch"]) for row in rows] == [("0", "1"), ("0", "2")]
    assert float(rows[-1]["train_loss"]) == result.run.train_scores[-1].loss

    train_grid(asked.model_copy(update={"grid": GridConfig(runs=2, block_width=2, workers=1)}), tmp_path / "grid")
    lines = (tmp_path / "grid" / "train_after.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["0", "1"], ["0", "2"], ["1", "1"], ["1", "2"]]
    assert lines[1].split(",")[1:] == text.splitlines()[1].split(",")[1:]

    train(asked.model_copy(update={"train": TrainConfig(epochs=1)}), tmp_path / "one", overwrite=True)
    assert not (tmp_path / "one" / "train_after.csv").exists()
