"""docs/walkthrough.ipynb runs from top to bottom, and is committed without outputs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "walkthrough.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


INSTALLED = [pytest.param("as installed", marks=[] if importlib.util.find_spec("torch") else pytest.mark.slow)]
"""Where there is no PyTorch, this is the other case once more."""


@pytest.mark.slow
@pytest.mark.parametrize("library", [*INSTALLED, "without PyTorch"])
def test_it_runs_from_top_to_bottom(library: str, tmp_path: Path) -> None:
    script = tmp_path / "walkthrough.py"
    source = "\n\n".join("".join(cell["source"]) for cell in CODE)
    script.write_text(source.replace('"torch"', '"no such module"') if library == "without PyTorch" else source)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:FigureCanvasAgg is non-interactive", str(script)],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(NOTEBOOK.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "largest relative difference of the losses:" in done.stdout


def test_every_part_checks_itself() -> None:
    assert sum("assert " in "".join(cell["source"]) for cell in CODE) >= len(CODE) - 2


def test_no_outputs_are_committed() -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in CODE)
