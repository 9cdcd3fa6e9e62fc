"""The files of a grid: a complete folder for each run, and files about all runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import xpmlp
from tests.grid.small import STEPS, grid_config
from xpmlp._files import write_text
from xpmlp.config import load_config
from xpmlp.errors import ConfigError, RunFolderError
from xpmlp.grid import Block, GridReporter, GridResult, train_grid
from xpmlp.storage import load_network
from xpmlp.training.record import Outcome

COMMON = {"config.toml", "run.json", "epochs.csv", "batch_losses.npy"}
EXPLODING, IDLE = 1e308, 0.0
"""Learning rates: one overflows in its first steps, one stops early since nothing improves."""


def names(folder: Path) -> set[str]:
    """List the entries of a folder, but for the lock and the checkpoints."""
    return {path.name for path in folder.iterdir()} - {".lock", "checkpoints"}


def assert_same_run(folder: Path, other: Path) -> None:
    """Assert that two run folders hold the same numbers, bit for bit."""
    for name in ("epochs.csv", "batch_losses.npy", "weights.safetensors"):
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name


def test_holds_these_files_and_nothing_else(data: Path, tmp_path: Path) -> None:
    config = grid_config(data, runs=3, block_width=2)
    result = train_grid(config, tmp_path / "out")
    assert result.run_dir == tmp_path / "out"
    assert names(tmp_path / "out") == COMMON | {"summary.csv", "runs"}
    assert load_config(tmp_path / "out" / "config.toml") == config
    assert names(tmp_path / "out" / "runs") == {"0", "1", "2"}
    for number in range(3):
        assert names(tmp_path / "out" / "runs" / str(number)) == COMMON | {"weights.safetensors"}


def test_without_a_folder_nothing_is_written(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert train_grid(grid_config(data, runs=2)).run_dir is None
    assert not names(tmp_path / "here")


def test_numbers_have_leading_zeros_so_that_they_sort(data: Path, tmp_path: Path) -> None:
    train_grid(grid_config(data, runs=11, block_width=11, train={"epochs": 1}), tmp_path / "out")
    assert sorted(names(tmp_path / "out" / "runs")) == [f"{number:02}" for number in range(11)]
    assert xpmlp.evaluate(tmp_path / "out", run=7).score == xpmlp.evaluate(tmp_path / "out" / "runs" / "07").score


@pytest.mark.slow
def test_plots(data: Path, tmp_path: Path) -> None:
    config = grid_config(data, runs=2)
    drawn = config.model_copy(update={"output": config.output.model_copy(update={"plots": True})})
    train_grid(drawn, tmp_path / "out")
    assert names(tmp_path / "out") == COMMON | {"summary.csv", "runs", "loss.png", "loss.svg", "epochs.png"}


def test_files_about_all_runs(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = train_grid(grid_config(data, runs=2, learning_rate=[0.5, 0.1]), out)
    with (out / "epochs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["run"]), int(row["epoch"])) for row in rows] == [
        (run, epoch) for run in range(4) for epoch in (1, 2)
    ]
    losses = np.load(out / "batch_losses.npy")
    assert losses.shape == (2 * STEPS, 4)
    for number in range(4):
        own = out / "runs" / str(number)
        np.testing.assert_array_equal(losses[:, number], np.load(own / "batch_losses.npy"))
        with (own / "epochs.csv").open(newline="") as file:
            assert [row | {"run": str(number)} for row in csv.DictReader(file)] == rows[2 * number : 2 * number + 2]
        saved = load_network(own / "weights.safetensors").parameters
        for layer, kept in zip(saved, result.networks[number].parameters, strict=True):
            for leaf, kept_leaf in zip(layer, kept, strict=True):
                np.testing.assert_array_equal(leaf, kept_leaf)
    facts = json.loads((out / "run.json").read_text())
    described = [(run["run"], run["learning_rate"], run["seed"], run["status"]) for run in facts["runs"]]
    assert described == [
        (0, 0.5, 0, "finished"),
        (1, 0.5, 1, "finished"),
        (2, 0.1, 0, "finished"),
        (3, 0.1, 1, "finished"),
    ]
    assert facts["backend"]["name"] == "numpy"
    assert facts["layer_sizes"] == [6, 5, 3]


def test_what_differs_between_the_runs_is_told_of_each_only(data: Path, tmp_path: Path) -> None:
    train_grid(grid_config(data, batch_size=[8, 16], hidden_layer_sizes=[[5], [4]]), tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {"layer_sizes", "batch_size", "steps_per_epoch"}.isdisjoint(facts)
    own = [json.loads((tmp_path / "out" / "runs" / str(number) / "run.json").read_text()) for number in range(4)]
    assert [(one["batch_size"], one["layer_sizes"][1]) for one in own] == [(8, 5), (8, 4), (16, 5), (16, 4)]


@pytest.mark.parametrize("stack", [1, 4])
def test_its_config_trains_a_run_again_bit_for_bit(data: Path, tmp_path: Path, stack: int) -> None:
    grid = {"runs": 2, "learning_rate": [0.5, 0.1], "block_width": stack}
    train_grid(grid_config(data, backend={"dtype": "float32"}, **grid), tmp_path / "out")
    third = tmp_path / "out" / "runs" / "3"
    config = load_config(third / "config.toml")
    assert not config.grid.is_grid
    assert (config.train.seed, config.train.learning_rate) == (1, 0.1)
    xpmlp.train(config, tmp_path / "again")
    assert_same_run(tmp_path / "again", third)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_runs_that_end_leave_the_others_as_they_are(data: Path, tmp_path: Path, dtype: str) -> None:
    train = {"epochs": 6, "patience": 2, "min_improvement": 1e-9, "segment_steps": 4}
    rates = [0.05, EXPLODING if dtype == "float64" else 1e38, IDLE, 0.02]
    config = grid_config(data, backend={"dtype": dtype}, train=train, learning_rate=rates, block_width=4)
    result = train_grid(config, tmp_path / "out")
    assert [str(run.status) for run in result.runs] == ["finished", "diverged", "stopped early", "finished"]
    assert [len(run.epochs) for run in result.runs] == [6, 0, 3, 6]
    losses = np.load(tmp_path / "out" / "batch_losses.npy")
    assert losses.shape == (6 * STEPS, 4)
    ended = [len(run.losses) for run in result.runs]
    assert ended[1] < STEPS
    assert ended[2] == 3 * STEPS
    for column, length in enumerate(ended):
        assert np.isnan(losses[length:, column]).all()
        assert np.isfinite(losses[: length - (column == 1), column]).all()
    for number in (0, 2, 3):
        own = tmp_path / "out" / "runs" / str(number)
        xpmlp.train(load_config(own / "config.toml"), tmp_path / f"alone-{number}")
        assert_same_run(own, tmp_path / f"alone-{number}")
    kept = load_file(tmp_path / "out" / "runs" / "1" / "weights.safetensors")
    assert all(np.isfinite(leaf).all() for leaf in kept.values())
    assert [(summary.runs, summary.diverged) for summary in result.summaries] == [(1, 0), (0, 1), (1, 0), (1, 0)]


class Watcher(GridReporter):
    """Looks at the folder whenever something is heard of."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.seen: list[list[str]] = []

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        self.seen.append(sorted(names(self.runs)))
        for folder in self.runs.iterdir():
            assert names(folder) == COMMON | {"weights.safetensors"}


def test_each_block_is_written_when_it_is_done(data: Path, tmp_path: Path) -> None:
    watcher = Watcher(tmp_path / "out" / "runs")
    train_grid(grid_config(data, runs=5, block_width=2), tmp_path / "out", reporter=watcher)
    assert watcher.seen == [["0", "1"], ["0", "1", "2", "3"], ["0", "1", "2", "3", "4"]]


def test_a_run_appears_whole_or_not_at_all(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the last file of the second run is to be written."""

    def full(path: Path, text: str) -> None:
        if path.name == "run.json" and path.parent.name.endswith("1"):
            raise OSError(28, "No space left on device")
        write_text(path, text)

    monkeypatch.setattr("xpmlp.storage.run_folder.write_text", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        train_grid(grid_config(data, runs=3), tmp_path / "out")
    monkeypatch.undo()
    assert not (tmp_path / "out" / "runs" / "1").exists()
    assert names(tmp_path / "out" / "runs" / "0") == COMMON | {"weights.safetensors"}
    with pytest.raises(RunFolderError, match="a number from 0 to 0"):
        xpmlp.evaluate(tmp_path / "out", run=1)
    train_grid(grid_config(data, runs=2), tmp_path / "out", overwrite=True)
    assert names(tmp_path / "out" / "runs") == {"0", "1"}


def test_a_folder_in_use_is_refused(data: Path, tmp_path: Path) -> None:
    train_grid(grid_config(data, runs=2), tmp_path / "out")
    before = (tmp_path / "out" / "summary.csv").stat().st_mtime_ns
    with pytest.raises(RunFolderError, match="is not empty"):
        train_grid(grid_config(data, runs=3), tmp_path / "out")
    assert (tmp_path / "out" / "summary.csv").stat().st_mtime_ns == before


def fingerprint(result: GridResult) -> list[float]:
    return [float(run.losses[-1]) for run in result.runs]


def test_overwriting_leaves_nothing_of_the_grid_before(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_grid(grid_config(data, runs=4), out)
    (out / "runs" / ".2").mkdir()  # as after a crash
    (out / "runs" / "notes").mkdir()
    (out / "notes.txt").write_text("mine")
    result = train_grid(grid_config(data, runs=2, train={"learning_rate": 0.1}), out, overwrite=True)
    assert names(out / "runs") == {"0", "1", "notes"}
    assert (out / "notes.txt").read_text() == "mine"
    assert np.load(out / "batch_losses.npy")[-1].tolist() == fingerprint(result)


def test_a_single_run_in_the_place_of_a_grid_and_the_other_way(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_grid(grid_config(data, runs=4), out)
    xpmlp.train(grid_config(data), out, overwrite=True)
    assert names(out) == COMMON | {"weights.safetensors"}
    assert xpmlp.evaluate(out).examples == 20
    train_grid(grid_config(data, runs=2), out, overwrite=True)
    assert names(out) == COMMON | {"summary.csv", "runs"}


def test_one_run_is_no_grid_and_a_grid_is_not_one_run(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"xpmlp\.train_grid"):
        xpmlp.train(grid_config(data, runs=2))
    result = train_grid(grid_config(data), tmp_path / "out")
    xpmlp.train(grid_config(data), tmp_path / "alone")
    assert_same_run(tmp_path / "out" / "runs" / "0", tmp_path / "alone")
    assert [summary.point for summary in result.summaries] == [{}]
