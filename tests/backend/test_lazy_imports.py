"""A library is imported when it is requested, and no other with it: tested in separate processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xpmlp.backend import Backend

ROOT = Path(__file__).parents[2]
LIBRARIES = {"torch", "jax", "cupy", "array_api_strict"}
HEAVY = LIBRARIES | {"scipy", "sklearn", "matplotlib"}


def imported_by(code: str) -> set[str]:
    """The heavy packages that a fresh Python has imported after ``code``."""
    code += "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & HEAVY


@pytest.mark.parametrize("module", ["backend", "nn", "optim", "init"])
def test_importing_the_core_imports_nothing_heavy(module: str) -> None:
    assert imported_by(f"import xpmlp.{module}") == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "package"), [("numpy", "numpy"), ("strict", "array_api_strict"), ("torch", "torch"), ("jax", "jax")]
)
def test_a_backend_imports_its_own_library_only(name: str, package: str, get_backend: Callable[..., Backend]) -> None:
    get_backend(name)
    found = imported_by(f"from xpmlp.backend import resolve; resolve({name!r}, fused=False)")
    assert found & LIBRARIES == {package} & LIBRARIES
