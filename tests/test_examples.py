"""The programs in examples/ run unchanged, and end with a network that has learned."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xpmlp.backend import Backend

EXAMPLES = Path(__file__).parents[1] / "examples"

RUNS = [
    ("sixty_lines.py", "numpy"),
    pytest.param("sixty_lines.py", "array_api_strict", marks=pytest.mark.slow),
    ("sixty_lines.py", "torch"),
    pytest.param("sixty_lines.py", "jax", marks=pytest.mark.slow),  # compiles every operation by itself
    ("custom_layer.py", "numpy"),
    ("pytorch_loop.py", "torch"),
    ("jax_loop.py", "jax"),
]


@pytest.mark.parametrize(("name", "library"), RUNS)
@pytest.mark.slow
def test_it_runs_and_learns(name: str, library: str, get_backend: Callable[..., Backend], tmp_path: Path) -> None:
    get_backend(library.replace("array_api_strict", "strict"))  # skips, where it is not installed
    arguments = [library] if name == "sixty_lines.py" and library != "numpy" else []
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (accuracy,) = re.findall(r": accuracy ([\d.]+) on 297 other digits", done.stdout.splitlines()[-1])
    assert float(accuracy) > 0.95
    assert not list(tmp_path.iterdir())


def test_every_example_is_run_and_the_sixty_lines_are_sixty() -> None:
    run = {name for name, *_ in (getattr(one, "values", one) for one in RUNS)}
    assert run == {path.name for path in EXAMPLES.glob("*.py")}
    assert len((EXAMPLES / "sixty_lines.py").read_text(encoding="utf-8").splitlines()) < 70
