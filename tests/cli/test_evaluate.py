"""``xpmlp evaluate``: on any part of the data and any backend; and folders that are not run folders."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.cli.conftest import Outcome, Run
from tests.helpers import cases
from xpmlp.backend import Backend


def figures(outcome: Outcome) -> tuple[str, float, float, int]:
    """(part, loss, accuracy, examples) that it printed."""
    assert outcome.status == 0, outcome
    found = re.fullmatch(r"(\w+): loss ([\d.]+), accuracy ([\d.]+) \(([\d,]+) examples, .+ on .+\)\n", outcome.out)
    assert found is not None, outcome.out
    return found[1], float(found[2]), float(found[3]), int(found[4].replace(",", ""))


@pytest.fixture
def damaged(digits_run: Path, tmp_path: Path) -> Path:
    """A copy of a run folder, to be damaged."""
    return Path(shutil.copytree(digits_run, tmp_path / "damaged"))


def test_evaluates_what_training_held_out(xpmlp: Run, digits_run: Path) -> None:
    facts: dict[str, Any] = json.loads((digits_run / "run.json").read_text())
    wanted = facts["final"]["validation_loss"], facts["final"]["validation_accuracy"]
    part, loss, accuracy, examples = figures(xpmlp("evaluate", digits_run))
    assert (part, examples) == ("validation", 144)
    assert (loss, accuracy) == pytest.approx(wanted, abs=5e-5)


@pytest.mark.parametrize(("split", "size"), [("train", 1293), ("validation", 144), ("test", 360)])
def test_evaluates_the_part_that_is_named(xpmlp: Run, digits_run: Path, split: str, size: int) -> None:
    part, loss, accuracy, examples = figures(xpmlp("evaluate", digits_run, "--split", split))
    assert (part, examples) == (split, size)
    if split == "test":
        facts = json.loads((digits_run / "run.json").read_text())
        assert (loss, accuracy) == pytest.approx((facts["test"]["loss"], facts["test"]["accuracy"]), abs=5e-5)


@pytest.mark.parametrize(
    "case", [one for one in cases("strict", "torch", "jax", "cupy", dtype="float32") if one.id != "strict-no_float64"]
)
def test_another_backend_says_the_same(
    xpmlp: Run, digits_run: Path, case: Any, get_backend: Callable[..., Backend]
) -> None:
    get_backend(*case)  # or skip
    device = () if case.device is None else ("--device", case.device)
    outcome = xpmlp("evaluate", digits_run, "--backend", case.name, *device)
    assert f", {case.name} on " in outcome.out
    assert figures(outcome) == pytest.approx(figures(xpmlp("evaluate", digits_run)), abs=2e-6)


def test_a_part_that_there_is_not(xpmlp: Run, tmp_path: Path, iris_csv: Path) -> None:
    config = tmp_path / "all.toml"
    data = f'name = "csv"\npath = "{iris_csv}"\ntarget = "kind"\ntest_fraction = 0.0'
    config.write_text(f"[data]\n{data}\n[train]\nepochs = 1\n[output]\nplots = false\n")
    assert xpmlp("train", config, "--out", tmp_path / "run").status == 0
    outcome = xpmlp("evaluate", tmp_path / "run", "--split", "test")
    outcome.assert_refused("no test part", "train, validation")


def test_no_run_folder(xpmlp: Run, tmp_path: Path) -> None:
    xpmlp("evaluate", tmp_path / "missing").assert_refused("there is no run folder", "missing", "xpmlp train")
    xpmlp("evaluate", tmp_path).assert_refused("is not a run folder", "config.toml")


def test_damaged_config(xpmlp: Run, damaged: Path) -> None:
    (damaged / "config.toml").write_text("[train]\nepochs = ")
    xpmlp("evaluate", damaged).assert_refused("config.toml")


def test_missing_weights(xpmlp: Run, damaged: Path) -> None:
    (damaged / "weights.safetensors").unlink()
    xpmlp("evaluate", damaged).assert_refused("weights.safetensors", "has not written its weights")


def test_truncated_weights(xpmlp: Run, damaged: Path) -> None:
    weights = damaged / "weights.safetensors"
    whole = weights.read_bytes()
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        weights.write_bytes(whole[:length])
        xpmlp("evaluate", damaged).assert_refused("weights.safetensors", "damaged", "train it again")


def test_weights_of_random_bytes(xpmlp: Run, damaged: Path) -> None:
    rng = np.random.default_rng(0)
    for size in (10, 1000):
        (damaged / "weights.safetensors").write_bytes(rng.bytes(size))
        xpmlp("evaluate", damaged).assert_refused("weights.safetensors", "damaged")


def test_weights_of_another_program(xpmlp: Run, damaged: Path) -> None:
    save_file(load_file(damaged / "weights.safetensors"), damaged / "weights.safetensors")
    xpmlp("evaluate", damaged).assert_refused("weights.safetensors", "not a network that xpmlp has saved")


def test_weights_of_another_network(xpmlp: Run, damaged: Path, iris_run: Path) -> None:
    shutil.copy(iris_run / "weights.safetensors", damaged)
    xpmlp("evaluate", damaged).assert_refused(str(damaged), "do not fit", "shapes")


def test_other_backends_mistakes(xpmlp: Run, digits_run: Path) -> None:
    xpmlp("evaluate", digits_run, "--backend", "numpie").assert_refused("no backend 'numpie'", "numpy", "torch")
    xpmlp("evaluate", digits_run, "--device", "cuda:0").assert_refused("numpy has no device 'cuda:0'")


def test_the_folder_is_only_read(xpmlp: Run, damaged: Path) -> None:
    before = {path: path.read_bytes() for path in damaged.rglob("*") if path.is_file()}
    assert xpmlp("evaluate", damaged).status == 0
    assert {path: path.read_bytes() for path in damaged.rglob("*") if path.is_file()} == before
