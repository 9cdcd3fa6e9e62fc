"""Resumed grids: ended runs are not trained again, begun blocks continue, and the results are the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpmlp
from tests.grid import faults
from tests.grid.small import STEPS, grid_config
from tests.helpers import huge_npy
from xpmlp.config import Config
from xpmlp.errors import ConfigError, RunFolderError
from xpmlp.grid import Block, GridReporter, schedule, train_grid
from xpmlp.training import Progress
from xpmlp.training.record import Outcome, read_outcome

ROOT = Path(__file__).parents[2]

RUNS: dict[str, Any] = {"runs": 2, "learning_rate": [0.5, 0.1]}
"""Four runs."""


def frequent(config: Config) -> Config:
    """The config with a checkpoint after each segment, of one step."""
    output = config.output.model_copy(update={"checkpoint_every": "1 step"})
    train = config.train.model_copy(update={"segment_steps": 1})
    return config.model_copy(update={"output": output, "train": train})


class Listener(GridReporter):
    """Counts segments, and notes what else it hears."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.segments = 0
        self.blocks: list[str] = []
        self.plans: list[tuple[int, int]] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def planned(self, runs: int, blocks: int, workers: int | None, examples: int) -> None:
        self.plans.append((runs, blocks))

    def segment(self, progress: Progress) -> None:
        self.segments += 1

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        self.blocks.append(block.label)


def results(folder: Path) -> dict[str, bytes]:
    """All files of a grid but those that say how long it took."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("run.json", ".lock")]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith("checkpoints")}


def interrupted(config: Config, folder: Path, segments: int) -> Listener:
    """Train a grid and stop it after so many segments."""
    listener = Listener()
    train_grid(config, folder, reporter=listener, should_stop=lambda: listener.segments >= segments)
    return listener


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "train", "at"),
    [
        pytest.param(1, {"optimizer": "adam", "learning_rate": 0.05}, 2 * STEPS + 5, marks=pytest.mark.slow),
        (2, {"optimizer": "adam", "learning_rate": 0.05}, 1),
        pytest.param(2, {"patience": 1, "epochs": 4}, 3 * STEPS + 5, marks=pytest.mark.slow),
        (4, {"patience": 1, "epochs": 4}, 13),
    ],
    ids=["second run", "first step", "early stopping", "one block"],
)
def test_a_grid_goes_on_where_it_was_stopped(
    data: Path, tmp_path: Path, width: int, train: dict[str, Any], at: int
) -> None:
    config = frequent(grid_config(data, **RUNS, block_width=width, train=train))
    whole = Listener()
    train_grid(config, tmp_path / "whole", reporter=whole)
    interrupted(config, tmp_path / "out", at)
    listener = Listener()
    train_grid(config, tmp_path / "out", resume=True, reporter=listener)
    assert listener.segments == whole.segments - at, "nothing is trained twice"
    assert results(tmp_path / "out") == results(tmp_path / "whole")


def test_fewer_epochs_than_an_unfinished_block_has_begun_are_refused(data: Path, tmp_path: Path) -> None:
    config, fewer = (frequent(grid_config(data, **RUNS, block_width=4, train={"epochs": n})) for n in (4, 1))
    interrupted(config, tmp_path / "out", 13)
    with pytest.raises(RunFolderError, match=r"train\.epochs = 1, before 4 \([2-4] are begun\)"):
        train_grid(fewer, tmp_path / "out", resume=True)


def test_runs_that_have_ended_are_left_alone(data: Path, tmp_path: Path) -> None:
    config = frequent(grid_config(data, **RUNS))
    out = tmp_path / "out"
    first = interrupted(config, out, 2 * STEPS + 3)
    assert first.blocks == ["run 0", "run 1"]
    kept = (out / "runs" / "0").stat().st_ino
    listener = Listener()
    result = train_grid(config, out, resume=True, reporter=listener)
    assert listener.plans == [(3, 3)]
    assert listener.blocks == ["run 1", "run 2", "run 3"]
    assert listener.notes[0] == "resuming: 1 of 4 runs have ended"
    assert listener.notes[1] == "resuming after 3 steps, in epoch 1 of 2, with 3 of its 9 steps done"
    assert (out / "runs" / "0").stat().st_ino == kept
    expected = train_grid(config)
    assert result.summaries == expected.summaries
    assert [run.epochs for run in result.runs] == [run.epochs for run in expected.runs]


def test_without_checkpoints_whole_runs_are_kept(data: Path, tmp_path: Path) -> None:
    config = grid_config(data, **RUNS)
    config = config.model_copy(update={"output": config.output.model_copy(update={"checkpoint_every": None})})
    train_grid(config, tmp_path / "whole")
    interrupted(config, tmp_path / "out", 3)
    shutil.rmtree(tmp_path / "out" / "runs" / "0")
    listener = Listener()
    train_grid(config, tmp_path / "out", resume=True, reporter=listener)
    assert results(tmp_path / "out") == results(tmp_path / "whole")


def test_more_epochs(data: Path, tmp_path: Path) -> None:
    short, long = (frequent(grid_config(data, **RUNS, block_width=2, train={"epochs": n})) for n in (2, 4))
    train_grid(long, tmp_path / "whole")
    train_grid(short, tmp_path / "out")
    listener = Listener()
    train_grid(long, tmp_path / "out", resume=True, reporter=listener)
    assert listener.segments == 2 * 2 * STEPS
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    again = Listener()
    train_grid(long, tmp_path / "out", resume=True, reporter=again)
    assert again.notes == ["resuming: 4 of 4 runs have ended"]
    assert again.plans == [(0, 0)]
    assert results(tmp_path / "out") == results(tmp_path / "whole")


def test_all_that_ended_runs_say_returns(data: Path, tmp_path: Path) -> None:
    """Early stopping, divergence, a test set, the training examples' figures: read back from the runs' folders."""
    train = {"optimizer": "sgd", "patience": 1, "epochs": 9, "evaluate_train": True}
    config = grid_config(data, learning_rate=[0.5, 1.7e308, 1e-9], train=train)
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"split": "three-way", "test_fraction": 0.2})}
    )
    out = tmp_path / "out"
    first = train_grid(config, out)
    assert {str(run.status) for run in first.runs} == {"stopped early", "diverged", "finished"}
    before, described = results(out), json.loads((out / "run.json").read_text())
    again = train_grid(config, out, resume=True)
    assert results(out) == before
    assert json.loads((out / "run.json").read_text()) == described
    for run, expected in zip(again.runs, first.runs, strict=True):
        np.testing.assert_equal(run.losses, expected.losses)
        for name in ("settings", "metric", "status", "best_epoch", "best_loss", "ended_at", "test", "train_scores"):
            assert getattr(run, name) == getattr(expected, name), name


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"runs": 2, "learning_rate": [0.1, 0.5]}, {"runs": 3, "learning_rate": [0.1, 0.5]}),
        ({"hidden_layer_sizes": [[5], [4]]}, {"hidden_layer_sizes": [[3], [5], [4]]}),
    ],
    ids=["shifted numbers", "other shapes"],
)
def test_a_forced_change_takes_no_checkpoint_of_another_run(
    data: Path, tmp_path: Path, before: dict[str, Any], after: dict[str, Any]
) -> None:
    train_grid(frequent(grid_config(data, **before)), tmp_path / "out")
    config, listener = frequent(grid_config(data, **after)), Listener()
    train_grid(config, tmp_path / "whole")
    train_grid(config, tmp_path / "out", resume=True, force=True, reporter=listener)
    assert any("is not of run" in note for note in listener.notes)
    assert results(tmp_path / "out") == results(tmp_path / "whole")


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_step(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when it is asked the third time, after two steps: the next one begins with the third."""
    config = frequent(grid_config(data, **RUNS, workers=2))
    train_grid(config, tmp_path / "whole")
    monkeypatch.setattr(schedule, "_work", faults.die_once)
    train_grid(config, tmp_path / "out")
    assert faults.attempts(data.parent) == 2
    assert faults.asked(data.parent) == 2 * STEPS - 2
    assert results(tmp_path / "out") == results(tmp_path / "whole")


@pytest.mark.slow
def test_a_grid_whose_process_is_killed_with_its_workers_at_work(data: Path, tmp_path: Path) -> None:
    """SIGKILL for the parent alone: its workers notice, and the next one takes over."""
    config = frequent(grid_config(data, **RUNS, workers=2, train={"epochs": 30}))
    train_grid(config, tmp_path / "whole")
    (tmp_path / "grid.toml").write_text(config.to_toml())
    out = tmp_path / "out"
    command = [sys.executable, "-m", "xpmlp", "train", str(tmp_path / "grid.toml"), "--out", str(out), "--quiet"]
    for _ in range(3):
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        before = len(list(out.glob("checkpoints/*/step-*")))
        process = subprocess.Popen([*command, *(["--resume"] if out.exists() else [])], env=environment)
        while process.poll() is None and len(list(out.glob("checkpoints/*/step-*"))) <= before:
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    train_grid(config, out, resume=True)
    assert results(out) == results(tmp_path / "whole")


def refused(config: Config, folder: Path, *parts: str) -> None:
    with pytest.raises(RunFolderError) as error:
        train_grid(config, folder, resume=True)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.slow
def test_another_grid_is_refused(data: Path, tmp_path: Path) -> None:
    interrupted(grid_config(data, **RUNS), tmp_path / "out", 1)
    wider = grid_config(data, runs=2, learning_rate=[0.5, 0.1, 0.2], block_width=2)
    refused(wider, tmp_path / "out", "grid.learning_rate = 0.5, 0.1, 0.2, before 0.5, 0.1", "grid.block_width = 2")
    refused(grid_config(data, **RUNS, train={"momentum": 0.5}), tmp_path / "out", "train.momentum = 0.5, before 0.9")
    processes = grid_config(data, **RUNS, workers=2)
    assert len(train_grid(processes, tmp_path / "out", resume=True).runs) == 4


def test_other_data_are_refused(data: Path, tmp_path: Path) -> None:
    config = grid_config(data, **RUNS)
    interrupted(config, tmp_path / "out", 1)
    data.rename(data.with_name("elsewhere.npz"))
    moved = config.model_copy(update={"data": config.data.model_copy(update={"path": data.with_name("elsewhere.npz")})})
    assert len(train_grid(moved, tmp_path / "out", resume=True).runs) == 4, "the same data at another place"
    with np.load(data.with_name("elsewhere.npz")) as content:
        np.savez(data, features=content["features"] + 1, target=content["target"])
    refused(config, tmp_path / "out", "other data", "--force")


def test_a_damaged_run_is_trained_again(data: Path, tmp_path: Path) -> None:
    config = grid_config(data, **RUNS)
    train_grid(config, tmp_path / "out")
    before = results(tmp_path / "out")
    (tmp_path / "out" / "runs" / "2" / "weights.safetensors").write_bytes(b"rubbish")
    listener = Listener()
    train_grid(config, tmp_path / "out", resume=True, reporter=listener)
    assert listener.notes[0].startswith("run 2 is trained again: ")
    assert listener.blocks == ["run 2"]
    assert results(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("batch_losses.npy", huge_npy()),
        ("epochs.csv", b"run,epoch,train_loss,train_accuracy\n0,1," + b"x" * 200_000),
        ("run.json", b"[" * 100_000),
        ("run.json", b"{}"),
        ("config.toml", b"="),
        ("weights.safetensors", b""),
    ],
)
def test_a_run_that_cannot_be_read_back(data: Path, tmp_path: Path, name: str, content: bytes) -> None:
    xpmlp.train(grid_config(data), tmp_path / "run")
    assert read_outcome(tmp_path / "run").run.status == "finished"
    (tmp_path / "run" / name).write_bytes(content)
    with pytest.raises((RunFolderError, ConfigError)):
        read_outcome(tmp_path / "run")


def test_what_is_no_grid(data: Path, tmp_path: Path) -> None:
    config = grid_config(data, **RUNS)
    refused(config, None, "give `out`")  # type: ignore[arg-type]
    xpmlp.train(grid_config(data), tmp_path / "one")
    refused(config, tmp_path / "one", "does not hold a grid")
    train_grid(config, tmp_path / "many")
    with pytest.raises(RunFolderError, match="holds a grid"):
        xpmlp.train(grid_config(data), tmp_path / "many", resume=True)
    listener = Listener()
    train_grid(config, tmp_path / "new", resume=True, reporter=listener)
    assert listener.notes == [f"nothing was begun in {tmp_path / 'new'} yet: training from the beginning"]
    (tmp_path / "new" / "checkpoints" / "plan.json").write_text("{")
    refused(config, tmp_path / "new", "plan.json cannot be read", "--overwrite")
