"""The program in separate processes: exit statuses and streams."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.digits import QUICKSTART

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(QUICKSTART.parents[1]), "PYTHONWARNINGS": "error"}


def execute(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xpmlp", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow(reason="starts two processes that train or predict; tests/cli has the same within this one")
def test_train_then_evaluate(tmp_path: Path) -> None:
    changes = ("--set", "train.epochs=1", "--set", "output.plots=false")
    trained = execute(tmp_path, "train", QUICKSTART, *changes, "--quiet")
    assert (trained.returncode, trained.stdout, trained.stderr) == (0, "", "")
    evaluated = execute(tmp_path, "evaluate", "runs/quickstart", "--split", "test")
    assert (evaluated.returncode, evaluated.stderr) == (0, "")
    assert evaluated.stdout.startswith("test: loss ")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize(
    ("options", "status", "part"),
    [
        (["missing.toml"], 2, "missing.toml"),
        pytest.param(
            [QUICKSTART, "--quiet", "--set", "train.optimizer=sgd", "--set", "train.learning_rate=1e20"],
            3,
            "finite",
            marks=pytest.mark.slow(reason="a process that trains"),
        ),
    ],
    ids=["mistake", "divergence"],
)
def test_failures_are_a_sentence_and_a_status(options: list[Any], status: int, part: str, tmp_path: Path) -> None:
    outcome = execute(tmp_path, "train", *options)
    assert (outcome.returncode, outcome.stdout) == (status, "")
    assert outcome.stderr.startswith("error: ")
    assert outcome.stderr.count("\n") == 1
    assert part in outcome.stderr


def test_an_interrupt_while_the_program_is_loaded(xpmlp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "xpmlp.cli.app", types.SimpleNamespace(app=interrupted))
    assert xpmlp("--help") == (130, "", "")
