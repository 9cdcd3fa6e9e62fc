"""Run folders with moved data, whose new path is given with ``--set``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run, write_inputs


@pytest.fixture
def moved(xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The output of `evaluate` before the working folder was moved with all its files."""
    before = tmp_path / "before"
    before.mkdir()
    monkeypatch.chdir(before)
    write_inputs(before)
    assert xpmlp("train", "c.toml", "-q").status == 0
    said = xpmlp("evaluate", "runs/c").out
    monkeypatch.chdir(tmp_path)
    before.rename("after")
    monkeypatch.chdir("after")
    return said


def test_evaluate(xpmlp: Run, moved: str) -> None:
    xpmlp("evaluate", "runs/c").assert_refused("d.csv: no such file", "--set data.path=FILE")
    assert xpmlp("evaluate", "runs/c", "--set", "data.path=d.csv") == (0, moved, "")


def test_predict(xpmlp: Run, moved: str) -> None:
    assert xpmlp("predict", "runs/c", "d.csv", "-o", "p.csv").status == 0
    outcome = xpmlp("predict", "runs/c", "d.csv", "-o", "p.npy", "--set", "data.path=d.csv", "--set", "data.target=b")
    assert outcome.status == 0


@pytest.mark.parametrize("command", [["evaluate", "runs/c"], ["predict", "runs/c", "d.csv", "-o", "p.csv"]])
def test_mistakes(xpmlp: Run, moved: str, command: list[str]) -> None:
    xpmlp(*command, "--set", "model.activation=tanh").assert_refused("the network is trained already", "[data]")
    xpmlp(*command, "--set", "data.pfad=d.csv").assert_refused("data.pfad")
    xpmlp(*command, "--set", "data.path").assert_refused("there is no '='")


def test_page_and_compare_advise_what_they_take(xpmlp: Run, moved: str) -> None:
    """They have no --set."""
    refused = xpmlp("page", "runs/c", "--data", "none.csv", "-q")
    refused.assert_refused("none.csv: no such file; say where it is with --data FILE")
    assert xpmlp("page", "runs/c", "-q").status == 0
    page = Path("runs/c/page.html").read_text(encoding="utf-8")
    assert "d.csv: no such file; say where it is with --data FILE" in page
    shutil.copytree("runs/c", "runs/d")
    compared = xpmlp("compare", "runs/c", "runs/d", "-q", "--out", "compare.html")
    assert compared.status == 0, compared
    page = Path("compare.html").read_text(encoding="utf-8")
    assert "d.csv: no such file" in page
    assert "--set" not in page
