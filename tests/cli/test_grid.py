"""``xpmlp train`` on a config with a grid, and the commands that use a run of the grid."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.grid import faults
from tests.grid.small import FEATURES, grid_config, write_data
from xpmlp.cli.grid import grid_summary as summary
from xpmlp.cli.streams import console_on
from xpmlp.config import Config
from xpmlp.grid import GridResult, train_grid

ROOT = Path(__file__).parents[2]
RATES = [0.01, 0.5, 0.1]
BEST_RATE = 0.5


def write_config(folder: Path, config: Config) -> Path:
    path = folder / "net.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> GridResult:
    """A grid of three learning rates with two seeds each; not to be changed."""
    folder = tmp_path_factory.mktemp("grid")
    data = write_data(folder / "data.npz")
    return train_grid(grid_config(data, runs=2, learning_rate=RATES), folder / "out")


@pytest.fixture
def folder(trained: GridResult) -> Path:
    assert trained.run_dir is not None
    return trained.run_dir


def best_run(trained: GridResult) -> int:
    losses = [run.epochs[-1].validation_loss or np.inf for run in trained.runs]
    return int(np.argmin(losses))


def test_what_training_prints(xpmlp: Run, trained: GridResult, tmp_path: Path) -> None:
    data = write_data(tmp_path / "data.npz")
    path, out = write_config(tmp_path, grid_config(data, runs=2, learning_rate=RATES)), tmp_path / "out"
    outcome = xpmlp("train", path, "--out", out)
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[3] == "grid of 6 runs in 6 blocks, 1 at a time"
    last = trained.runs[5].epochs[-1]
    figures = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    shown = ", ".join(f"{name.replace('_', ' ')} {last.named('accuracy')[name]:.4f}" for name in figures)
    assert lines[9] == f"run 5: learning_rate 0.1, seed 1: {shown}"
    header, *table = lines[10:14]
    assert header.split("  ")[-1] == "validation accuracy"
    assert [row[0] for row in table] == [" ", "*", " "], "the best is marked"
    for row, rate, one in zip(table, RATES, trained.summaries, strict=True):
        figure = one.figures["validation_loss"]
        assert row[1:].split()[:2] == [f"{rate:g}", "2"]
        assert f"{figure.mean:.4f} ± {figure.deviation:.4f}" in row
    assert lines[14:] == ["* the lowest mean loss", f"run folder: {out}; each run's own is in {out}/runs"]
    assert "\033" not in outcome.out, "no bold where no terminal is"


def test_quiet(xpmlp: Run, tmp_path: Path) -> None:
    path = write_config(tmp_path, grid_config(write_data(tmp_path / "data.npz"), runs=2))
    assert xpmlp("train", path, "--out", tmp_path / "out", "--quiet") == (0, "", "")
    assert (tmp_path / "out" / "summary.csv").is_file()


def test_a_grid_from_the_command_line(xpmlp: Run, tmp_path: Path) -> None:
    path = write_config(tmp_path, grid_config(write_data(tmp_path / "data.npz")))
    rates = "grid.learning_rate=[0.1, 0.2]"
    outcome = xpmlp("train", path, "--out", tmp_path / "out", "--set", "grid.runs=2", "--set", rates)
    assert "grid of 4 runs" in outcome.out
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        assert [(row["learning_rate"], row["runs"]) for row in csv.DictReader(file)] == [("0.1", "2"), ("0.2", "2")]


@pytest.mark.parametrize(("variable", "marked"), [("TERM=xterm", True), ("TERM=dumb", False), ("NO_COLOR=1", False)])
def test_the_best_in_bold_on_a_terminal_that_shows_it(
    trained: GridResult, monkeypatch: pytest.MonkeyPatch, variable: str, marked: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(*variable.split("="))
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    for line in summary(trained):
        console_on(terminal).print(line, soft_wrap=True)
    best = str(list(summary(trained))[1 + RATES.index(BEST_RATE)])
    bold = [line for line in terminal.getvalue().splitlines() if "\033" in line]
    assert bold == ([f"\033[1m{best}\033[0m"] if marked else [])


def test_diverged_runs_are_told(xpmlp: Run, tmp_path: Path) -> None:
    data = write_data(tmp_path / "data.npz")
    path = write_config(tmp_path, grid_config(data, runs=2, learning_rate=[1e308, 0.1]))
    outcome = xpmlp("train", path, "--out", tmp_path / "out")
    assert outcome.status == 0
    assert "run 1: learning_rate 1e+308, seed 1:  (diverged)" in outcome.out
    assert "0 (2 diverged)" in outcome.out
    assert xpmlp("evaluate", tmp_path / "out", "--run", "best").status == 0


def test_a_failing_block_is_one_message_and_status_1(
    xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config(tmp_path, grid_config(write_data(tmp_path / "data.npz"), runs=3))
    monkeypatch.setattr("xpmlp.grid.schedule.train_one", lambda block, threads, *_: faults.fail(block, threads))
    outcome = xpmlp("train", path, "--out", tmp_path / "out")
    assert outcome.status == 1
    assert outcome.err.splitlines() == [
        f"error: 1 of 3 blocks failed; what the other runs gave is in {tmp_path / 'out'}:",
        "run 1: the dice fell off the table",
    ]
    assert [line for line in outcome.out.splitlines() if line.startswith("run ")][1].startswith("run 2: seed 2: ")
    assert xpmlp("evaluate", tmp_path / "out", "--run", 2).status == 0


def test_evaluate_one_run(xpmlp: Run, trained: GridResult, folder: Path) -> None:
    for number, run in enumerate(trained.runs):
        outcome = xpmlp("evaluate", folder, "--run", number)
        assert outcome.out.startswith(f"validation: loss {run.epochs[-1].validation_loss:.6f}, accuracy ")
    best, loss = best_run(trained), xpmlp("evaluate", folder, "--run", "best").out
    assert trained.members[best].point == {"learning_rate": BEST_RATE}
    assert loss == xpmlp("evaluate", folder, "--run", best).out
    assert loss == xpmlp("evaluate", folder / "runs" / str(best)).out


def test_a_diverged_run_is_not_the_best(xpmlp: Run, trained: GridResult, folder: Path, tmp_path: Path) -> None:
    """Its weights are later than its last figures, so that these say nothing about them."""
    copy, number = tmp_path / "copy", best_run(trained)
    shutil.copytree(folder, copy)
    facts = json.loads((copy / "runs" / str(number) / "run.json").read_text())
    (copy / "runs" / str(number) / "run.json").write_text(json.dumps(facts | {"status": "diverged"}))
    losses = [run.epochs[-1].validation_loss for run in trained.runs]
    second = sorted(range(6), key=lambda other: losses[other] or np.inf)[1]
    assert xpmlp("evaluate", copy, "--run", "best").out == xpmlp("evaluate", folder, "--run", second).out


def test_predict_with_one_run(xpmlp: Run, trained: GridResult, folder: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.npy"
    np.save(inputs, np.random.default_rng(1).normal(size=(5, FEATURES)))
    tables = {}
    for run in ("best", str(best_run(trained)), "0"):
        outcome = xpmlp("predict", folder, inputs, "--output", tmp_path / f"{run}.csv", "--run", run)
        assert outcome.out == f"5 predictions in {tmp_path / run}.csv\n"
        tables[run] = (tmp_path / f"{run}.csv").read_text()
    assert tables["best"] == tables[str(best_run(trained))] != tables["0"]


@pytest.mark.parametrize("run", [None, "6", "-1", "1.0", "first", ""])
def test_a_run_that_there_is_not(xpmlp: Run, folder: Path, tmp_path: Path, run: str | None) -> None:
    option = () if run is None else (f"--run={run}",)
    said = "holds 6 runs" if run is None else f"holds no run {run!r}"
    allowed = "give --run best, or a number from 0 to 5."
    xpmlp("evaluate", folder, *option).assert_refused(str(folder), said, allowed)
    np.save(tmp_path / "inputs.npy", np.zeros((1, FEATURES)))
    predict = xpmlp("predict", folder, tmp_path / "inputs.npy", "--output", tmp_path / "out.csv", *option)
    predict.assert_refused(str(folder), said, allowed)
    assert not (tmp_path / "out.csv").exists()


def test_a_single_run_has_no_other(xpmlp: Run, folder: Path) -> None:
    xpmlp("evaluate", folder / "runs" / "2", "--run", "2").assert_refused("holds a single run: leave out --run.")


def test_a_grid_of_which_no_run_was_finished(xpmlp: Run, tmp_path: Path) -> None:
    (tmp_path / "grid" / "runs" / ".0").mkdir(parents=True)
    xpmlp("evaluate", tmp_path / "grid", "--run", "best").assert_refused("holds no run that was finished")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A grid on two worker processes, quick in its first two runs only, in a process group of its own."""
    data = write_data(tmp_path / "data.npz")
    config = grid_config(data, workers=2, batch_size=[71, 8], runs=2, train={"epochs": 2000, "segment_steps": 2})
    command = [sys.executable, "-m", "xpmlp", "train", str(write_config(tmp_path, config))]
    started = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    yield started
    started.kill()
    started.communicate()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a group of processes")
@pytest.mark.parametrize("moment", ["grid of", "run "], ids=["while processes start", "after a run"])
def test_ctrl_c(xpmlp: Run, process: subprocess.Popen[str], tmp_path: Path, moment: str) -> None:
    """A terminal sends it to every process of the group."""
    assert process.stdout is not None
    assert any(line.startswith(moment) for line in process.stdout), process.communicate()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines() == ["", "stopping after this stretch of steps; Ctrl-C again to stop at once"]
    folder = tmp_path / "out"
    interrupted, last = out.splitlines()[-2:]
    assert last == f"run folder: {folder}; each run's own is in {folder}/runs"
    runs = json.loads((folder / "run.json").read_text())["runs"]
    left = 4 - sum(run["status"] == "finished" for run in runs)
    assert re.fullmatch(rf"interrupted with {left} runs? left to train; progress saved; .*", interrupted)
    assert interrupted.endswith(f"continue with `xpmlp resume {folder}`")
    if moment == "run ":
        assert "finished" in {run["status"] for run in runs}
    assert sorted(path.name for path in (folder / "runs").iterdir()) == [str(run["run"]) for run in runs]
    for run in runs:
        facts = json.loads((folder / "runs" / str(run["run"]) / "run.json").read_text())
        assert facts["status"] == run["status"]
        assert facts["steps"] == run["steps"]
        assert xpmlp("evaluate", folder, "--run", run["run"]).status == 0
