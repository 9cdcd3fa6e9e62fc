"""``xpmlp train``: its output, its files, and its end."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.digits import QUICKSTART
from xpmlp.backend.numpy import NumpyBackend
from xpmlp.config import load_config

SMALL = ("--set", "train.epochs=2", "--set", "model.hidden_layer_sizes=[16]", "--set", "output.plots=false")


def test_a_setting_without_effect_is_remarked_upon(xpmlp: Run, tmp_path: Path) -> None:
    outcome = xpmlp("train", QUICKSTART, "--out", tmp_path / "run", *SMALL, "--set", "train.momentum=0.5")
    assert outcome.status == 0
    assert outcome.err == (
        'warning: train.momentum = 0.5 has no effect with train.optimizer = "adam": '
        'it is for "momentum" or "nesterov".\n'
    )


def test_quickstart(xpmlp: Run, tmp_path: Path) -> None:
    outcome = xpmlp("train", QUICKSTART, "--out", tmp_path / "run")
    assert outcome.status == 0
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0] == "digits: 1,293 training, 144 validation, 360 test examples"
    assert lines[1] == "network 64-64-10, 4,810 parameters"
    assert re.fullmatch(r"numpy [\d.]+\S* on cpu, float32", lines[2])
    epochs = lines[3:23]
    for number, line in enumerate(epochs, start=1):
        assert re.fullmatch(
            rf"epoch {number:>2}/20   train loss \d\.\d{{4}}, accuracy [01]\.\d{{4}}   "
            r"validation loss \d\.\d{4}, accuracy [01]\.\d{4}   [\d,]+ examples/s",
            line,
        )
    test = re.fullmatch(r"test accuracy ([01]\.\d{4}), test loss \d\.\d{4}", lines[23])
    assert test is not None
    assert float(test[1]) > 0.95
    run = tmp_path / "run"
    assert lines[24:] == [f"run folder: {run}; its curves are {run}/loss.png and epochs.png"]


def test_a_wait_for_the_compiler_is_said(xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NumpyBackend, "compiles_first", lambda _: True)
    lines = xpmlp("train", QUICKSTART, *SMALL, "--out", tmp_path / "run").out.splitlines()
    assert lines[3] == "compiling the training steps for this machine, which takes some ten seconds"
    assert lines[4].startswith("epoch 1/2 ")


def test_writes_to_runs_and_the_configs_name(xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert xpmlp("train", QUICKSTART, *SMALL).status == 0
    assert (tmp_path / "runs" / "quickstart" / "run.json").is_file()
    xpmlp("train", QUICKSTART, *SMALL).assert_refused("runs/quickstart", "--overwrite")
    assert xpmlp("train", QUICKSTART, *SMALL, "--overwrite").status == 0


def test_overrides_reach_the_run(xpmlp: Run, tmp_path: Path) -> None:
    options = ("--backend", "strict", "--device", "device1", "--set", "train.epochs=1", "--set", "train.seed=3")
    assert xpmlp("train", QUICKSTART, *SMALL, *options, "--out", tmp_path / "run").status == 0
    config = load_config(tmp_path / "run" / "config.toml")
    assert (config.backend.name, config.backend.device) == ("strict", "device1")
    assert (config.train.epochs, config.train.seed) == (1, 3)


def test_another_backend_does_not_inherit_the_configs_device(xpmlp: Run, tmp_path: Path) -> None:
    config = tmp_path / "gpu.toml"
    config.write_text(f'extends = "{QUICKSTART}"\n[backend]\nname = "cupy"\ndevice = "cuda:0"\n')
    outcome = xpmlp("config", "show", config, "--backend", "numpy")
    assert 'device = "none"' in outcome.out


def test_auto_says_what_it_chose_and_why(xpmlp: Run, tmp_path: Path) -> None:
    outcome = xpmlp("train", QUICKSTART, *SMALL, "--backend", "auto", "--out", tmp_path / "run")
    assert outcome.status == 0
    assert re.match(r"backend auto: (cupy|torch|jax|numpy) on \S+ \(.+\)\.\n", outcome.out)


def test_quiet_prints_nothing(xpmlp: Run, tmp_path: Path) -> None:
    assert xpmlp("train", QUICKSTART, *SMALL, "--quiet", "--out", tmp_path / "run") == (0, "", "")
    assert (tmp_path / "run" / "run.json").is_file()


def test_early_stopping_is_said(xpmlp: Run, tmp_path: Path) -> None:
    options = ("--set", "train.epochs=20", "--set", "train.patience=1", "--set", "train.min_improvement=0.3")
    outcome = xpmlp("train", QUICKSTART, *SMALL, *options, "--out", tmp_path / "run")
    found = re.search(r"stopped early after epoch (\d+); the best weights, of epoch (\d+), are kept", outcome.out)
    assert found is not None
    assert int(found[1]) == int(found[2]) + 1
    assert outcome.status == 0


def test_a_diverged_training(xpmlp: Run, tmp_path: Path) -> None:
    options = ("--set", "train.optimizer=sgd", "--set", "train.learning_rate=1e20", "--out", tmp_path / "run")
    outcome = xpmlp("train", QUICKSTART, *SMALL, *options, "--quiet")
    kept = tmp_path / "run" / "weights.safetensors"
    outcome.assert_refused("stopped being finite in epoch 1, at step", "lower train.learning_rate", str(kept), status=3)
    assert xpmlp("evaluate", tmp_path / "run").status == 0


def test_a_training_that_diverges_on_strict_warns_of_nothing(xpmlp: Run, tmp_path: Path) -> None:
    options = ("--set", "train.optimizer=sgd", "--set", "train.learning_rate=1e20", "--backend", "strict", "--quiet")
    outcome = xpmlp("train", QUICKSTART, *SMALL, *options, "--out", tmp_path / "run")
    outcome.assert_refused("stopped being finite", status=3)


def test_a_terminal_gets_a_bar_and_the_same_lines(xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
    outcome = xpmlp("train", QUICKSTART, *SMALL, "--out", tmp_path / "run")
    assert outcome.status == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", outcome.out)
    assert "epoch 2/2   train loss" in plain
    assert "run folder: " in plain
    assert plain != outcome.out, "the bar is drawn with escape sequences"
    assert re.search(r"loss \d\.\d{4}  accuracy [01]\.\d{4} [\d,]+ examples/s", plain)
    assert "loss 0.0000" not in plain, "before the first steps nothing is known of the loss"


def test_a_file_gets_a_line_for_some_of_many_epochs(xpmlp: Run, tmp_path: Path) -> None:
    options = ("--set", "train.epochs=91", "--set", "output.plots=false", "--out", tmp_path / "run")
    shown = [
        int(epoch) for epoch in re.findall(r"^epoch +(\d+)/91 ", xpmlp("train", QUICKSTART, *SMALL, *options).out, re.M)
    ]
    assert shown == [1, *range(3, 91, 3), 91]


def test_an_epoch_of_a_vote_has_one_line(xpmlp: Run, tmp_path: Path) -> None:
    outcome = xpmlp("train", QUICKSTART, *SMALL, "--set", "train.members=3", "--out", tmp_path / "run")
    assert [line[:9] for line in outcome.out.splitlines() if line.startswith("epoch")] == ["epoch 1/2", "epoch 2/2"]


def test_data_that_cannot_be_read_leave_no_folder(xpmlp: Run, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('[data]\nname = "csv"\npath = "missing.csv"\n')
    outcome = xpmlp("train", config, "--out", tmp_path / "run")
    outcome.assert_refused("missing.csv", "no such file")
    assert not (tmp_path / "run").exists()


def test_run_json_names_the_config(xpmlp: Run, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(f'extends = "{QUICKSTART}"\n')
    assert xpmlp("train", config, *SMALL, "--out", tmp_path / "run").status == 0
    facts: dict[str, Any] = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["name"] == "mine"
