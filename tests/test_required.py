"""A required backend cannot go untested: each test runs pytest on a small part of this suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.required import ENVIRONMENT, MINIMUM

ROOT = Path(__file__).parent.parent

HIDE_TORCH = "import sys; sys.modules['torch'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"


def run_pytest(required: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HIDE_TORCH, "-p", "no:cacheprovider", "-q", *arguments],
        cwd=ROOT,
        env={**os.environ, ENVIRONMENT: required},
        capture_output=True,
        text=True,
        check=False,
    )


HAND_WORKED = ("tests/nn/test_hand_worked.py", "-k", "zero and float64 and (numpy or torch-cpu)")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_too_few_tests_of_a_required_backend_fail(workers: tuple[str, ...]) -> None:
    done = run_pytest("numpy", HAND_WORKED[0], "-k", "zero and float64 and numpy", *workers)
    assert f"numpy: 1 tests ran: too few, at least {MINIMUM} have to run" in done.stdout
    assert "1 passed" in done.stdout
    assert done.returncode == 1


@pytest.mark.slow
def test_a_missing_library_is_a_skip_with_a_reason() -> None:
    done = run_pytest("", *HAND_WORKED)
    assert "backend torch needs PyTorch" in done.stdout
    assert done.returncode == 0


@pytest.mark.slow  # a session of its own
def test_a_missing_required_library_fails() -> None:
    done = run_pytest("torch", *HAND_WORKED)
    assert f"{ENVIRONMENT} requires torch, but: backend torch needs PyTorch" in done.stdout
    assert done.returncode == 1


@pytest.mark.slow(reason="a session of pytest in a process, as above")
def test_an_unknown_name_is_refused() -> None:
    done = run_pytest("tourch", "tests/test_tree.py")
    assert "names tourch; there are numpy, cupy, torch, jax, strict." in done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
