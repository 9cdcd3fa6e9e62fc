"""``xpmlp resume`` and ``xpmlp train --resume``: their output and their errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.digits import QUICKSTART

SHORT = ("--set", "train.epochs=2", "--set", "output.plots=false")


@pytest.fixture
def folder(xpmlp: Run, tmp_path: Path) -> Path:
    """A training of two epochs."""
    assert xpmlp("train", QUICKSTART, *SHORT, "--out", tmp_path / "run").status == 0
    return tmp_path / "run"


def same(folder: Path, other: Path) -> bool:
    names = ("config.toml", "epochs.csv", "batch_losses.npy", "weights.safetensors")
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["resume", "train"])
def test_more_epochs(xpmlp: Run, folder: Path, tmp_path: Path, command: str) -> None:
    longer = ("--set", "train.epochs=4", "--set", "output.plots=false")
    first = ("resume", folder) if command == "resume" else ("train", QUICKSTART, "--resume", "--out", folder)
    outcome = xpmlp(*first, *longer)
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    assert lines[3] == "resuming after 82 steps, in epoch 3 of 4, at its beginning"
    assert lines[4].startswith("epoch 3/4 ")
    assert lines[-1] == f"run folder: {folder}"
    assert xpmlp("train", QUICKSTART, *longer, "--out", tmp_path / "whole").status == 0
    assert same(folder, tmp_path / "whole")
    assert '"name": "quickstart"' in (folder / "run.json").read_text()


def test_nothing_to_do(xpmlp: Run, folder: Path) -> None:
    outcome = xpmlp("resume", folder)
    assert outcome.status == 0
    assert outcome.out.splitlines()[3] == "nothing is left to train: it has ended after 82 steps"
    outcome = xpmlp("resume", folder, "--set", "backend.fused=false")
    assert (outcome.status, "not bitwise" in outcome.out) == (0, False)


def test_quiet(xpmlp: Run, folder: Path) -> None:
    assert xpmlp("resume", folder, "--quiet") == (0, "", "")


def test_another_config(xpmlp: Run, folder: Path) -> None:
    change = ("--set", "train.learning_rate=0.5")
    outcome = xpmlp("resume", folder, *change)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.splitlines() == [
        "error: the training to resume had another config:",
        "  train.learning_rate = 0.5, before 0.003",
        "Give it the old values, begin anew with --overwrite, or continue anyway with --force.",
    ]
    assert xpmlp("resume", folder, *change, "--force").status == 0


def test_another_backend(xpmlp: Run, folder: Path) -> None:
    outcome = xpmlp("resume", folder, "--backend", "strict", "--set", "train.epochs=3")
    assert outcome.status == 0
    line = "not bitwise what it would have been without the interruption: backend strict, before numpy; "
    assert outcome.out.splitlines()[4].startswith(line)


def test_no_training(xpmlp: Run, tmp_path: Path) -> None:
    xpmlp("resume", tmp_path).assert_refused("config.toml", "there is no such file")
    (tmp_path / "notes.txt").write_text("mine")
    xpmlp("train", QUICKSTART, "--resume", "--out", tmp_path).assert_refused("holds no training to resume")


def test_to_overwrite_and_to_resume(xpmlp: Run, folder: Path) -> None:
    xpmlp("train", QUICKSTART, "--resume", "--overwrite", "--out", folder).assert_refused("exclude each other")


def test_who_forgets_to_resume_is_told(xpmlp: Run, folder: Path) -> None:
    xpmlp("train", QUICKSTART, "--out", folder).assert_refused("not empty", "--out", "--overwrite", "--resume")


@pytest.mark.slow
def test_a_grid(xpmlp: Run, tmp_path: Path) -> None:
    grid = ("--set", "grid.learning_rate=[0.003, 0.001]", "--set", "grid.workers=1")
    assert xpmlp("train", QUICKSTART, *SHORT, *grid, "--out", tmp_path / "grid").status == 0
    outcome = xpmlp("resume", tmp_path / "grid", "--set", "train.epochs=3")
    assert outcome.status == 0
    assert "resuming: 0 of 2 runs have ended" in outcome.out.splitlines()
    assert outcome.out.count("resuming after 82 steps, in epoch 3 of 3, at its beginning") == 2
    longer = ("--set", "train.epochs=3", "--set", "output.plots=false")
    assert xpmlp("train", QUICKSTART, *longer, *grid, "--out", tmp_path / "whole").status == 0
    assert same(tmp_path / "grid" / "runs" / "1", tmp_path / "whole" / "runs" / "1")
