"""Ctrl-C and SIGTERM, in separate processes: partial results are kept, usable and resumable."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.digits import QUICKSTART, STEPS
from xpmlp.cli.interrupt import Stop, stop_on_interrupt, stop_on_signals

ROOT = Path(__file__).parents[2]
ENDLESS = ("--set", "train.epochs=100000", "--set", "output.plots=false")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """A function (*arguments) -> process that starts the program; none of them outlives the test."""
    processes: list[subprocess.Popen[str]] = []

    def run(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "xpmlp", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], beginning: str) -> None:
    """Read what the process prints up to a line that begins like this."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(f"no line {beginning!r}; standard error: {process.communicate()[1]}")


@pytest.mark.slow
def test_what_there_is_is_kept(start: Start, xpmlp: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start("train", QUICKSTART, *ENDLESS, "--out", folder)
    wait_for(process, "epoch      1/100000")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert err.splitlines() == ["", "stopping after this stretch of steps; Ctrl-C again to stop at once"]
    facts = json.loads((folder / "run.json").read_text())
    assert facts["status"] == "interrupted"
    assert facts["test"] is None
    epochs, steps = facts["epochs"], facts["steps"]
    assert 1 <= epochs < 100_000
    last, where = out.splitlines()[-2:]
    assert last == (
        f"interrupted after {epochs} whole epochs and {steps:,} steps; progress saved; "
        f"continue with `xpmlp resume {folder}`"
    )
    assert where == f"run folder: {folder}"
    assert len((folder / "epochs.csv").read_text().splitlines()) == 1 + epochs
    assert np.load(folder / "batch_losses.npy").shape == (steps,)
    assert [path.name for path in folder.rglob(".*")] == [".lock"]
    assert xpmlp("evaluate", folder).out.startswith("validation: loss ")


@pytest.mark.slow
def test_a_container_that_is_stopped(start: Start, xpmlp: Run, tmp_path: Path) -> None:
    """SIGTERM: a checkpoint of the last step, exit status 143, and from there to the same end."""
    folder, short = tmp_path / "run", ("--set", "train.epochs=60", "--set", "output.plots=false")
    process = start("train", QUICKSTART, *short, "--set", "train.segment_steps=1", "--out", folder)
    wait_for(process, "epoch  1/60")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    steps = json.loads((folder / "run.json").read_text())["steps"]
    assert steps < 60 * STEPS
    outcome = xpmlp("resume", folder)
    assert outcome.status == 0
    assert f"resuming after {steps:,} steps, " in outcome.out
    assert xpmlp("train", QUICKSTART, *short, "--set", "train.segment_steps=1", "--out", tmp_path / "whole").status == 0
    for name in ("config.toml", "epochs.csv", "batch_losses.npy", "weights.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_a_grid_in_a_container_that_is_stopped(start: Start, tmp_path: Path) -> None:
    """Its worker processes write a checkpoint of their last step before they end."""
    folder, grid = tmp_path / "grid", ("--set", "grid.runs=2", "--set", "grid.workers=2")
    process = start("train", QUICKSTART, *ENDLESS, *grid, "--out", folder)
    wait_for(process, "grid of 2 runs in 2 blocks")
    while not all((folder / "checkpoints" / block / ".lock").exists() for block in "01"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143, out
    for block in "01":
        steps = json.loads((folder / "runs" / block / "run.json").read_text())["steps"]
        assert (folder / "checkpoints" / block / f"step-{steps:012d}.safetensors").exists()


@pytest.mark.slow(reason="a process that trains, as the first test's")
def test_quiet_is_quiet(start: Start, tmp_path: Path) -> None:
    """No line says that the training has begun: its folder does."""
    folder = tmp_path / "run"
    process = start("train", QUICKSTART, *ENDLESS, "--out", folder, "--quiet")
    while not folder.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"


def test_the_second_one_stops_at_once_and_then_all_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)

    def twice() -> None:
        with stop_on_interrupt(quiet=True, signals=[signal.SIGINT]) as stop:
            assert not stop.requested()
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.requested()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_twice() -> None:
    with stop_on_signals(quiet=True) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.requested(), stop.exit_status) == (True, 143)
        with pytest.raises(SystemExit) as ended:
            os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 143


def test_without_checkpoints_it_is_not_said_to_go_on(
    xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop()
    stop.number = signal.SIGINT
    monkeypatch.setattr("xpmlp.cli.train.stop_on_signals", lambda quiet: contextlib.nullcontext(stop))
    none = ("--set", "output.checkpoint_every=none")
    outcome = xpmlp("train", QUICKSTART, *ENDLESS, *none, "--out", tmp_path / "run")
    assert outcome.status == 130
    assert 'it cannot be continued: output.checkpoint_every = "none"' in outcome.out
    assert "xpmlp resume" not in outcome.out


def test_a_second_one_leaves_no_half_written_run(xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice Ctrl-C in the middle of a training: no traceback, and nothing but the config."""

    def twice(*arguments: object, **more: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("xpmlp.training.trainer.train_block", twice)
    outcome = xpmlp("train", QUICKSTART, *ENDLESS, "--out", tmp_path / "run")
    assert outcome.status == 130
    assert "Traceback" not in outcome.err
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.toml", ".lock"}


@pytest.mark.parametrize("command", ["predict", "export"])
def test_a_command_that_is_stopped_leaves_no_half_written_file(
    xpmlp: Run, digits_run: Path, digits_features: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """SIGTERM while its output is written."""
    before = signal.getsignal(signal.SIGTERM)
    np.save(tmp_path / "digits.npy", np.asarray(digits_features))
    out = {
        "predict": [digits_run, tmp_path / "digits.npy", "--output", tmp_path / "out.csv"],
        "export": [digits_run, "--format", "torch", "--out", tmp_path / "out.safetensors"],
    }

    def stopped(*_: object) -> None:
        assert any("out." in path.name for path in tmp_path.iterdir())
        assert signal.getsignal(signal.SIGTERM) is not before, "it would end the tests"
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("xpmlp._files.flush", stopped)
    assert xpmlp(command, *out[command]) == (143, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["digits.npy"]
    assert signal.getsignal(signal.SIGTERM) is before
