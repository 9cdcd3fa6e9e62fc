"""A fixed set of fuzzed inputs; `python -m tests.fuzzing` tries any number."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing.guided import Choices
from tests.fuzzing.targets import TARGETS, Attempt, attempt

each_target = pytest.mark.parametrize("name", TARGETS)


@pytest.mark.slow
@each_target
def test_a_fixed_set(name: str, tmp_path: Path) -> None:
    """Each input is read rightly or refused; enough of them get past their header for this to mean something."""
    attempts = [attempt(TARGETS[name], tmp_path, Random(f"{name}:{seed}")) for seed in range(60)]
    assert Attempt("read", past_header=True) in attempts
    assert sum(one.outcome == "refused" for one in attempts) > 10
    assert sum(one.past_header for one in attempts) >= 6


@pytest.mark.slow
@each_target
@settings(max_examples=30, derandomize=True, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_inputs_that_hypothesis_chooses(name: str, random: Random, tmp_path: Path) -> None:
    assert attempt(TARGETS[name], tmp_path, random).outcome in ("read", "refused")


@pytest.mark.slow
@each_target
@settings(max_examples=30, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=200))
def test_inputs_that_bytes_choose(name: str, content: bytes, tmp_path: Path) -> None:
    assert attempt(TARGETS[name], tmp_path, Choices(content)).outcome in ("read", "refused")


@pytest.mark.slow(reason="starts a process for each target")
@pytest.mark.skipif(sys.platform != "linux", reason="reads how much memory it has from /proc")
@each_target
def test_a_process_with_little_memory_and_time(name: str) -> None:
    from tests.fuzzing.campaign import run

    record = run(name, 60, 100)
    assert record["failures"] == []
    assert record["inputs"] == 100
