"""The files of a training, all of them, exactly; and its return value."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import xpmlp
from tests.digits import STEPS, digits_config
from xpmlp.config import load_config
from xpmlp.data import load
from xpmlp.errors import DivergenceError
from xpmlp.training import Result

NUMBERS = {"config.toml", "run.json", "epochs.csv", "batch_losses.npy", "weights.safetensors"}
BESIDE = {"checkpoints", ".lock"}
PLOTS = {"loss.png", "loss.svg", "epochs.png"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A training of two epochs, with plots, in a run folder that the tests leave as it is."""
    return xpmlp.train(digits_config({"output.plots": True}), tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="module")
def folder(trained: Result) -> Path:
    assert trained.run_dir is not None
    return trained.run_dir


def facts_of(folder: Path) -> dict[str, Any]:
    """``run.json``; infinity and NaN, which JSON does not have, are refused."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON")

    facts: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"), parse_constant=refuse)
    return facts


def test_holds_these_files_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    assert {path.name for path in folder.iterdir()} == NUMBERS | PLOTS | BESIDE
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "loss.svg").read_text(encoding="utf-8")
    xpmlp.train(digits_config({"output.checkpoint_every": "none"}), tmp_path / "few")
    assert {path.name for path in (tmp_path / "few").iterdir()} == NUMBERS | {".lock"}


def test_config_loads_again_as_it_was(folder: Path) -> None:
    assert load_config(folder / "config.toml") == digits_config({"output.plots": True})


def test_epochs_csv_to_the_letter(folder: Path, trained: Result) -> None:
    text = (folder / "epochs.csv").read_bytes().decode("ascii")
    header, *rows, end = text.split("\n")
    assert header == "run,epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate"
    assert end == ""
    history = trained.history
    assert rows == [
        f"0,{epoch},{history.train_loss[row]},{history.train_value[row]},{history.validation_loss[row]},"
        f"{history.validation_value[row]},0.003"
        for row, epoch in enumerate((1, 2))
    ]


def test_a_figure_that_there_is_not_is_an_empty_cell(tmp_path: Path) -> None:
    result = xpmlp.train(digits_config({"data.split": "test", "train.epochs": 1}), tmp_path / "run")
    (row,) = csv.DictReader((tmp_path / "run" / "epochs.csv").read_text().splitlines())
    assert row["validation_loss"] == row["validation_accuracy"] == ""
    assert float(row["train_loss"]) == result.history.train_loss[0]
    assert np.isnan(result.history.validation_loss).all()


def test_batch_losses(folder: Path, trained: Result) -> None:
    losses = np.load(folder / "batch_losses.npy")
    assert losses.shape == (2 * STEPS,)
    assert losses.dtype == np.float32
    np.testing.assert_array_equal(losses, trained.history.batch_losses)
    sizes = np.tile([32] * (STEPS - 1) + [13], 2)
    for epoch in (0, 1):
        part = slice(STEPS * epoch, STEPS * (epoch + 1))
        mean = np.average(losses[part].astype(np.float64), weights=sizes[part])
        assert trained.history.train_loss[epoch] == pytest.approx(mean, rel=1e-12)


def test_weights_are_those_of_the_result(folder: Path, trained: Result) -> None:
    tensors = load_file(folder / "weights.safetensors")
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    assert shapes == {
        "layers.0.weights": (64, 16),
        "layers.0.biases": (1, 16),
        "layers.1.weights": (16, 10),
        "layers.1.biases": (1, 10),
    }
    for index, (weights, biases) in enumerate(trained.parameters):
        np.testing.assert_array_equal(tensors[f"layers.{index}.weights"], weights)
        np.testing.assert_array_equal(tensors[f"layers.{index}.biases"], biases)


def test_run_json(folder: Path, trained: Result) -> None:
    facts = facts_of(folder)
    assert facts["name"] == "quickstart"
    assert facts["versions"]["xpmlp"] == xpmlp.__version__
    assert facts["versions"]["numpy"] == np.__version__
    assert facts["backend"].items() >= {"name": "numpy", "device": "cpu", "dtype": "float32"}.items()
    data = facts["data"]
    assert (data["train"], data["validation"], data["test"]) == (1293, 144, 360)
    digits = load("digits", split="validation", test_fraction=0.0, validation_size=10)
    assert data["sha256"] == digits.hashes
    assert all(len(value) == hashlib.sha256().digest_size * 2 for value in data["sha256"].values())
    assert facts["layer_sizes"] == [64, 16, 10]
    assert facts["steps_per_epoch"] == STEPS
    assert facts["seconds"]["training"] > 0
    assert facts["status"] == "finished"
    assert (facts["seed"], facts["learning_rate"], facts["epochs"], facts["steps"]) == (0, 0.003, 2, 2 * STEPS)
    history = trained.history
    assert facts["final"] == {
        "epoch": 2,
        "train_loss": history.train_loss[1],
        "train_accuracy": history.train_value[1],
        "validation_loss": history.validation_loss[1],
        "validation_accuracy": history.validation_value[1],
        "learning_rate": 0.003,
    }
    assert trained.run.test is not None
    assert facts["test"] == {"loss": trained.run.test.loss, "accuracy": trained.run.test.value}
    assert facts["best"] is None


def test_the_test_set_stays_closed_where_validation_was_asked_for(tmp_path: Path) -> None:
    result = xpmlp.train(digits_config({"data.split": "validation"}), tmp_path / "run")
    assert result.run.test is None
    assert facts_of(tmp_path / "run")["test"] is None


def test_early_stopping_is_recorded(tmp_path: Path) -> None:
    changes = {"train.epochs": 20, "train.patience": 1, "train.min_improvement": 0.3}
    result = xpmlp.train(digits_config(changes), tmp_path / "run")
    facts = facts_of(tmp_path / "run")
    best = int(np.argmin(result.history.validation_loss[:-1]))
    assert facts["status"] == "stopped early"
    assert facts["best"]["epoch"] == best + 1 < facts["epochs"] < 20
    score = xpmlp.evaluate(tmp_path / "run").score
    assert score.loss == facts["best"]["validation_loss"] == result.history.validation_loss[best]


def test_a_diverged_run_is_written_whole(tmp_path: Path) -> None:
    changes = {"train.optimizer": "sgd", "train.learning_rate": 1e20, "output.plots": True}
    with pytest.raises(DivergenceError) as error:
        xpmlp.train(digits_config(changes), tmp_path / "run")
    assert error.value.exit_status == 3
    folder = tmp_path / "run"
    assert str(folder / "weights.safetensors") in str(error.value)
    assert "train.learning_rate (it was 1e+20)" in str(error.value)
    assert {path.name for path in folder.iterdir()} == NUMBERS | PLOTS | BESIDE
    facts = facts_of(folder)
    at = facts["diverged_at"]
    assert f"in epoch {at['epoch']}, at step {at['step']}" in str(error.value)
    assert facts["status"] == "diverged"
    assert facts["steps"] == len(np.load(folder / "batch_losses.npy"))
    assert np.isfinite(xpmlp.evaluate(folder).score.loss)


def test_library_use_prints_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = xpmlp.train(digits_config({"output.plots": True}))
    assert result.run_dir is None
    assert len(result.history.epoch) == 2
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_config_gives_the_same_bits(seed: int, tmp_path: Path) -> None:
    for name in ("one", "two"):
        xpmlp.train(digits_config({"train.seed": seed}), tmp_path / name)
    for name in NUMBERS - {"run.json"}:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
