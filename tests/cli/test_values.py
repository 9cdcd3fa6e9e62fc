"""The whole program on targets other than one of several classes: output, files, evaluation and prediction."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import r2_score

from tests.cli.conftest import Run
from xpmlp.plots import draw_run
from xpmlp.storage import load_network

TRAIN = "[train]\nepochs = 30\noptimizer = 'adam'\n[output]\nplots = false\n"


def table(folder: Path) -> dict[str, Any]:
    """Three features and what follows from them: two values, two truths and a name, in ``table.csv``."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 3))
    columns = {
        **{f"x{index}": column for index, column in enumerate(x.T)},
        "price": np.tanh(x[:, 0]) + x[:, 1],
        "size": 3 * x[:, 2] + 0.5,
        "warm": (x[:, 0] > 0).astype(int),
        "loud": (x[:, 1] + x[:, 2] > 0).astype(int),
        "side": np.where(x[:, 0] > x[:, 1], "left", "right"),
    }
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return columns


def trained(xpmlp: Run, folder: Path, keep: list[str], target: str, model: str = "") -> tuple[dict[str, Any], str]:
    """Train on some columns of the table; the table, and what was printed."""
    columns = table(folder)
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["x0", "x1", "x2", *keep], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    text = f'[data]\nname = "csv"\npath = "data.csv"\ntarget = {target}\nsplit = "three-way"\n{model}\n{TRAIN}'
    (folder / "net.toml").write_text(text)
    outcome = xpmlp("train", folder / "net.toml", "--out", folder / "run")
    assert outcome.status == 0, outcome.err
    return columns, outcome.out


@pytest.mark.slow
def test_values(xpmlp: Run, tmp_path: Path) -> None:
    columns, out = trained(xpmlp, tmp_path, ["price", "size"], '["size", "price"]')
    run = tmp_path / "run"
    assert re.search(r"epoch 30/30   train loss \d\.\d{4}, R² 0\.\d{4}   validation loss \d\.\d{4}, R² 0\.\d{4}", out)
    assert re.search(r"^test R² 0\.\d{4}, test loss", out, re.MULTILINE)
    header = (run / "epochs.csv").read_text().splitlines()[0]
    assert header == "run,epoch,train_loss,train_r2,validation_loss,validation_r2,learning_rate"
    facts = json.loads((run / "run.json").read_text())
    assert set(facts["final"]) == {"epoch", *header.split(",")[2:]}
    assert (set(facts["test"]), facts["loss"], facts["layer_sizes"]) == ({"loss", "r2"}, "squared", [3, 100, 2])

    evaluated = xpmlp("evaluate", run, "--split", "test")
    assert re.match(r"test: loss [\d.]+, R² ([\d.]+) \(60 examples", evaluated.out)
    assert f"{facts['test']['r2']:.4f}" in evaluated.out

    assert xpmlp("predict", run, tmp_path / "data.csv", "-o", tmp_path / "out.csv").status == 0
    with (tmp_path / "out.csv").open() as file:
        names, *rows = csv.reader(file)
    assert names == ["size", "price"]
    values = np.asarray(rows, dtype=float)
    wanted = np.stack([columns["size"], columns["price"]], axis=1)
    assert r2_score(wanted, values) > 0.9
    assert xpmlp("predict", run, tmp_path / "data.csv", "-o", tmp_path / "out.npy").status == 0
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), values, rtol=1e-6)
    assert {path.name for path in draw_run(run)} >= {"epochs.png", "loss.png"}


def test_two_classes_with_logistic(xpmlp: Run, tmp_path: Path) -> None:
    columns, out = trained(xpmlp, tmp_path, ["side"], '"side"', '[model]\nloss = "logistic"')
    assert "network 3-100-1" in out
    assert xpmlp("predict", tmp_path / "run", tmp_path / "data.csv", "-o", tmp_path / "out.csv").status == 0
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["class", "probability of left", "probability of right"]
    assert np.mean([row["class"] == side for row, side in zip(rows, columns["side"], strict=True)]) > 0.9
    for row in rows:
        left, right = float(row["probability of left"]), float(row["probability of right"])
        assert left + right == pytest.approx(1, abs=1e-6)
        assert row["class"] == ("left" if left > right else "right")


def test_several_labels(xpmlp: Run, tmp_path: Path) -> None:
    columns, out = trained(xpmlp, tmp_path, ["warm", "loud"], '["warm", "loud"]', '[model]\nloss = "logistic"')
    assert re.search(r"^test accuracy 0\.\d{4}", out, re.MULTILINE)
    assert xpmlp("predict", tmp_path / "run", tmp_path / "data.csv", "-o", tmp_path / "out.csv").status == 0
    with (tmp_path / "out.csv").open() as file:
        names, *rows = csv.reader(file)
    assert names == ["warm", "loud", "probability of warm", "probability of loud"]
    values = np.asarray(rows, dtype=float)
    np.testing.assert_array_equal(values[:, :2], values[:, 2:] > 0.5)
    assert (values[:, :2] == np.stack([columns["warm"], columns["loud"]], axis=1)).mean() > 0.9
    assert xpmlp("predict", tmp_path / "run", tmp_path / "data.csv", "-o", tmp_path / "out.npy").status == 0
    saved = np.load(tmp_path / "out.npy")
    np.testing.assert_array_equal(saved["class"], values[:, :2])
    np.testing.assert_allclose(saved["probabilities"], values[:, 2:], rtol=1e-6)


def test_layers_of_their_own(xpmlp: Run, tmp_path: Path) -> None:
    model = (
        '[model]\nhidden_layer_sizes = [20, 10]\nactivation = ["tanh", "relu"]\ndropout = [0.1, 0.0]\nloss = "squared"'
    )
    trained(xpmlp, tmp_path, ["price"], '"price"', model)
    network = load_network(tmp_path / "run" / "weights.safetensors")
    assert (network.network.hidden, network.network.loss.name) == (("tanh", "relu"), "squared")
    assert network.target_names == ("price",)
    # nothing is dropped in evaluation: twice the same
    first, second = (xpmlp("evaluate", tmp_path / "run").out for _ in range(2))
    assert first == second
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert f"R² {facts['final']['validation_r2']:.4f}" in first


@pytest.mark.slow
def test_a_grid_of_values(xpmlp: Run, tmp_path: Path) -> None:
    model = (
        '[grid]\nruns = 2\nactivation = ["tanh", ["relu", "tanh"]]\nworkers = 1\n[model]\nhidden_layer_sizes = [8, 8]'
    )
    _, out = trained(xpmlp, tmp_path, ["price"], '"price"', model)
    assert "run 0: activation tanh, seed 0: train loss 0." in out
    assert re.search(r"activation +runs +train loss +train R² +validation loss +validation R²", out)
    assert "accuracy" not in out
    with (tmp_path / "run" / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["activation"] for row in rows] == ["tanh", "['relu', 'tanh']"]
    assert all(float(row["validation_r2_mean"]) > 0 for row in rows)
