"""The benchmark beside busy programs, on the smallest work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.company import WORKS, Cell
from benchmarks.contestants import CONTESTANTS, ContestantError
from benchmarks.seat import Seat

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not tell its free cores")


@pytest.mark.slow
def test_it_measures_one_thread_and_the_default_beside_a_busy_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.company", "--works", "quickstart", "--backends", "numpy"]
    command += ["--busy", "0", "1", "--rounds", "2", "--seconds", "0.05", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "company.json").read_text())["cells"]
    assert [(cell["work"], cell["busy"]) for cell in cells] == [("quickstart", 0), ("quickstart", 1)]
    for cell in cells:
        assert len(cell["one_thread"]) == len(cell["default"]) == 2
        assert min(cell["one_thread"] + cell["default"]) > 0
    assert (tmp_path / "company.md").read_text() in done.stdout


@pytest.mark.parametrize(
    ("backend", "busy", "one_thread", "default", "other", "expected"),
    [
        ("numpy", 1, [1.0, 2.0, 3.0], [1.2, 2.4, 9.0], [], True),
        ("numpy", 2, [1.0, 2.0, 3.0], [1.4, 2.8, 3.0], [], False),
        ("numpy", 0, [1.0], [2.0], [2.0], True),
        ("numpy", 0, [1.0], [2.0], [1.9], False),
        ("numpy", 0, [1.0], [2.0], [], True),
        ("jax", 2, [1.0], [9.0], [], None),
    ],
)
def test_whether_the_bounds_hold(
    backend: str, busy: int, one_thread: list[float], default: list[float], other: list[float], expected: bool | None
) -> None:
    assert Cell("quickstart", backend, busy, one_thread, default, other).holds is expected


def test_another_version_is_imported_in_place_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "xpmlp").mkdir()
    (tmp_path / "xpmlp" / "__init__.py").write_text("raise ImportError('the other version')\n")
    path = sys.path.copy()
    seat = Seat(CONTESTANTS["xpmlp-numpy"], 1, packages=tmp_path)
    assert sys.path == path
    try:
        with pytest.raises(ContestantError, match=r"the other version|its process died"):
            seat.ask("prepare", WORKS["quickstart"])
    finally:
        seat.close()
