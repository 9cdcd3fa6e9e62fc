"""``xpmlp bench``: its table, its file, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.digits import QUICKSTART

QUICK = ("--seconds", "0.02", "--set", "model.hidden_layer_sizes=[16]")


@pytest.mark.slow  # starts a process for each backend
def test_a_table_and_a_recommendation(xpmlp: Run, tmp_path: Path) -> None:
    outcome = xpmlp("bench", QUICKSTART, "--backends", "numpy", *QUICK, "--out", tmp_path / "bench.json")
    assert (outcome.status, outcome.err) == (0, "")
    for word in ("backend", "steps/s", "examples/s", "s/epoch", "peak MB", "numpy on cpu"):
        assert word in outcome.out
    assert outcome.out.endswith("use numpy on cpu: it is the only one that could be measured.\n")
    saved = json.loads((tmp_path / "bench.json").read_text())
    assert (saved["config"], saved["hidden_layer_sizes"], saved["batch_size"]) == ("quickstart", [16], 32)
    (figures,) = saved["backends"]
    assert (figures["backend"], figures["device"]) == ("numpy", "cpu")
    assert figures["examples_per_second"] > figures["steps_per_second"] > 0
    assert saved["use"]["backend"] == "numpy"


@pytest.mark.slow
def test_nothing_could_be_measured(xpmlp: Run, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,kind\n1,x\n2,y\n")
    changes = ("--set", "data.name=csv", "--set", f"data.path={table}")
    outcome = xpmlp("bench", QUICKSTART, "--backends", "numpy", *QUICK, *changes)
    assert (outcome.status, outcome.err) == (1, "")
    assert "numpy on cpu: " in outcome.out
    assert "table.csv" in outcome.out
    assert "use " not in outcome.out


def test_data_that_are_missing_are_said_at_once(xpmlp: Run, tmp_path: Path) -> None:
    changes = ("--set", "data.name=csv", "--set", f"data.path={tmp_path / 'missing.csv'}")
    xpmlp("bench", QUICKSTART, *QUICK, *changes).assert_refused("missing.csv: no such file")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--backends", "numpie"], ["no backend 'numpie'", "numpy"]),
        (["--backends", ""], ["no backend ''", "numpy"]),
        (["--seconds", "0"], ["0 seconds", "above 0"]),
        (["--seconds", "nan"], ["nan seconds"]),
        (["--out", "no/such/bench.json"], ["--out", "there is no folder no/such"]),
        (["--set", "train.epoch=1"], ["train.epoch", "did you mean"]),
    ],
    ids=lambda value: value[1] if len(value) == 2 else "",
)
def test_mistakes(xpmlp: Run, options: list[str], parts: list[str]) -> None:
    xpmlp("bench", QUICKSTART, *options).assert_refused(*parts)


def test_a_missing_config(xpmlp: Run) -> None:
    xpmlp("bench", "missing.toml").assert_refused("missing.toml")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(xpmlp: Run, option: str) -> None:
    outcome = xpmlp("bench", option)
    assert (outcome.status, outcome.err) == (0, "")
    for word in ("CONFIG", "--backends", "--seconds", "--out", "--set"):
        assert word in outcome.out
