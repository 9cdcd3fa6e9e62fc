"""The benchmark of predictions, on few rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import inference


@pytest.mark.slow  # fits models
def test_writes_a_line_for_each_model(tmp_path: Path) -> None:
    given = ["--rows", "1,50", "--train-rows", "200", "--rounds", "1", "--out", str(tmp_path / "table.md")]
    assert inference.main([*given, "--models", "xpmlp,histogram boosting"]) == 0
    text = (tmp_path / "table.md").read_text()
    assert text.startswith("# Predictions for a table of 28 columns on ")
    lines = text[text.index("|") :].splitlines()
    assert lines[0] == "| ms, 2 threads | 1 rows | 50 rows |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| xpmlp", "| histogram boosting"]
