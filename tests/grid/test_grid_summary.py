"""Means and standard deviations over the seeds, against independent computations."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.grid.small import grid_config
from xpmlp.config import Config, DataConfig, GridConfig
from xpmlp.grid import Member, members_of, summarize, train_grid
from xpmlp.grid.summary import best, point_text, short, summary_csv, summary_rows
from xpmlp.training import EpochRow, Run, Score, Status
from xpmlp.training.run import RunSettings


def members(**grid: Any) -> list[Member]:
    return members_of(Config(data=DataConfig(name="digits"), grid=GridConfig(**grid)))


def run(*losses: float, status: Status = Status.FINISHED, validated: bool = True, test: float | None = None) -> Run:
    """A run whose epochs have these validation losses."""
    rows = [
        EpochRow(epoch, loss + 1, 0.25, loss if validated else None, loss / 8 if validated else None, 0.1)
        for epoch, loss in enumerate(losses, 1)
    ]
    score = None if test is None else Score(test, 0.5)
    return Run(RunSettings(0, 0.1, 0.0, 0.9), status=status, epochs=rows, test=score)


def test_mean_and_deviation_of_the_last_epoch() -> None:
    (summary,) = summarize(members(runs=3), [run(9.0, 0.5), run(9.0, 0.25), run(9.0, 1.5)])
    assert (summary.point, summary.runs, summary.diverged) == ({}, 3, 0)
    assert list(summary.figures) == ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    last = np.array([0.5, 0.25, 1.5])
    for name, values in {"validation_loss": last, "train_loss": last + 1, "validation_accuracy": last / 8}.items():
        assert summary.figures[name].mean == pytest.approx(values.mean(), rel=1e-15)
        assert summary.figures[name].deviation == pytest.approx(values.std(ddof=1), rel=1e-15)
    assert summary.figures["train_accuracy"] == (0.25, 0.0)


def test_a_single_run_has_no_deviation() -> None:
    (summary,) = summarize(members(), [run(0.5)])
    assert summary.figures["validation_loss"] == (0.5, None)


def test_each_point_by_itself_in_the_order_of_the_grid() -> None:
    grid = {"runs": 2, "learning_rate": [0.3, 0.1], "hidden_layer_sizes": [[5], [5, 5]]}
    runs = [run(float(number)) for number in range(8)]
    summaries = summarize(members(**grid), runs)
    assert [summary.point for summary in summaries] == [
        {"learning_rate": rate, "hidden_layer_sizes": sizes} for rate in (0.3, 0.1) for sizes in ([5], [5, 5])
    ]
    assert [summary.figures["validation_loss"].mean for summary in summaries] == [0.5, 2.5, 4.5, 6.5]


def test_with_early_stopping_the_best_epoch_counts() -> None:
    stopped = run(0.5, 0.25, 0.75, status=Status.STOPPED_EARLY)
    stopped.best_epoch = 2
    (summary,) = summarize(members(runs=2), [stopped, run(0.75)])
    assert summary.figures["validation_loss"].mean == 0.5


def test_diverged_runs_are_counted_apart() -> None:
    runs = [run(0.5), run(99.0, status=Status.DIVERGED), run(1.5), run(status=Status.DIVERGED)]
    (summary,) = summarize(members(runs=4), runs)
    assert (summary.runs, summary.diverged) == (2, 2)
    assert summary.figures["validation_loss"].mean == 1.0
    assert summary.figures["validation_loss"].deviation == pytest.approx(math.sqrt(0.5))
    (nothing,) = summarize(members(runs=1), [run(status=Status.DIVERGED)])
    assert (nothing.runs, nothing.diverged, nothing.figures) == (0, 1, {})


def test_the_test_set_is_summarised_where_it_was_opened() -> None:
    (summary,) = summarize(members(runs=2), [run(1.0, test=0.25), run(2.0, test=0.75)])
    assert summary.figures["test_loss"].mean == 0.5
    (partly,) = summarize(members(runs=2), [run(1.0, test=0.25), run(2.0)])
    assert "test_loss" not in partly.figures, "a mean over some of the seeds would mislead"


@pytest.mark.parametrize(
    ("runs", "winner"),
    [
        ([run(3.0), run(1.0), run(2.0)], 1),
        ([run(3.0, test=0.1), run(1.0, test=0.2), run(2.0, test=0.3)], 1),
        ([run(3.0, validated=False, test=0.1), run(1.0, validated=False, test=0.2)], 0),
        ([run(3.0, validated=False), run(1.0, validated=False)], 1),
        ([run(3.0), run(0.1, status=Status.DIVERGED)], 0),
        ([run(math.nan), run(math.inf), run(5.0)], 2),
        ([run(status=Status.DIVERGED)] * 2, None),
    ],
    ids=["validation", "not by the test set", "test", "training", "diverged", "not finite", "none"],
)
def test_the_best_has_the_lowest_mean_loss(runs: list[Run], winner: int | None) -> None:
    rates = [0.1 * (1 + index) for index in range(len(runs))]
    assert best(summarize(members(learning_rate=rates), runs)) == winner


def test_csv_to_the_letter() -> None:
    grid = {"runs": 2, "learning_rate": [0.1, 0.5]}
    runs = [run(1.0), run(2.0), run(4.0), run(status=Status.DIVERGED)]
    header, first, second, end = summary_csv(summarize(members(**grid), runs)).split("\n")
    names = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    columns = [f"{name}_{part}" for name in names for part in ("mean", "std")]
    assert header.split(",") == ["learning_rate", "runs", "diverged", *columns]
    deviation = math.sqrt(0.5)
    expected = [0.1, 2, 0, 2.5, deviation, 0.25, 0.0, 1.5, deviation, 0.1875, deviation / 8]
    assert [float(cell) for cell in first.split(",")] == pytest.approx(expected, rel=1e-15)
    assert second == "0.5,1,1,5.0,,0.25,,4.0,,0.5,"
    assert end == ""


def test_table_for_a_person() -> None:
    grid = {"runs": 2, "learning_rate": [0.1, 1e-5]}
    header, rows = summary_rows(summarize(members(**grid), [run(1.0), run(2.0), run(3e7), run(status=Status.DIVERGED)]))
    assert header[:4] == ["learning rate", "runs", "train loss", "train accuracy"]
    assert rows[0][:3] == ["0.1", "2", "2.5000 ± 0.7071"]
    assert rows[1][:3] == ["1e-05", "1 (1 diverged)", "3.000e+07"]


def test_values_as_a_person_writes_them() -> None:
    values = [0.1, 1e-05, 32, "relu", [300, 100]]
    assert [point_text(value) for value in values] == ["0.1", "1e-05", "32", "relu", "[300, 100]"]
    assert [short(value) for value in (0.12345, 9999.0, 1e4, -2e5, "x")] == [
        "0.1235",
        "9999.0000",
        "1.000e+04",
        "-2.000e+05",
        "x",
    ]


def test_the_files_of_a_grid_agree(data: Path, tmp_path: Path) -> None:
    """``summary.csv`` holds what one gets from the last rows of ``epochs.csv``."""
    out = tmp_path / "out"
    train_grid(grid_config(data, runs=3, learning_rate=[0.5, 0.05], activation=["tanh", "relu"]), out)
    with (out / "epochs.csv").open(newline="") as file:
        last = {int(row["run"]): row for row in csv.DictReader(file)}
    assert sorted(last) == list(range(12))
    with (out / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    points = [(0.5, "tanh"), (0.5, "relu"), (0.05, "tanh"), (0.05, "relu")]
    assert [(float(row["learning_rate"]), row["activation"]) for row in rows] == points
    for index, row in enumerate(rows):
        for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
            values = np.array([float(last[3 * index + seed][name]) for seed in range(3)])
            assert float(row[f"{name}_mean"]) == pytest.approx(values.mean(), rel=1e-14)
            assert float(row[f"{name}_std"]) == pytest.approx(values.std(ddof=1), rel=1e-12, abs=1e-16)
