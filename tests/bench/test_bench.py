"""`bench`: its measurements, its recommendation, and its handling of a failing backend."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.bench import faults
from tests.digits import STEPS, digits_config
from xpmlp.bench import Measured, Pace, Stopwatch, bench, comparison, recommend
from xpmlp.bench.pace import measure_pace
from xpmlp.errors import BackendError, ConfigError, DivergenceError
from xpmlp.training import EpochRow, Progress

EXAMPLES = 1293


def test_a_pace_is_consistent() -> None:
    pace = measure_pace(digits_config(), 0.02)
    assert pace.device_name == "cpu"
    per_epoch = pace.examples_per_second * STEPS / EXAMPLES
    assert math.isclose(pace.steps_per_second, per_epoch, rel_tol=0.5)  # not whole epochs
    assert pace.epoch_seconds > EXAMPLES / pace.examples_per_second  # with validation
    assert pace.peak_memory is not None
    assert pace.peak_memory > 20e6


def test_an_epoch_without_validation_is_its_steps() -> None:
    pace = measure_pace(digits_config({"data.split": "test"}), 0.02)
    assert math.isclose(pace.epoch_seconds * pace.examples_per_second, 1437)  # 80% of 1,797


def test_of_a_grid_one_run_is_measured() -> None:
    config = digits_config({"grid.runs": 3, "grid.hidden_layer_sizes": [[4], [8]]})
    assert measure_pace(config, 0.02).steps_per_second > 0


def test_a_training_that_diverges_at_once_has_no_pace() -> None:
    with pytest.raises(DivergenceError, match=r"lower train\.learning_rate"):
        measure_pace(digits_config({"train.optimizer": "sgd", "train.learning_rate": 1e30}), 0.02)


def test_the_stopwatch_counts_steps_and_leaves_validation_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.0, 13.0, 20.0, 20.5])  # begin, two segments, the epoch's end, a segment
    monkeypatch.setattr("xpmlp.bench.stopwatch.time.perf_counter", lambda: next(clock))
    watch = Stopwatch(most_steps=12)
    watch.begin(2, 8, "accuracy")
    watch.segment(Progress(1, 2, 5, 8, 50, 1.0, 0.5))
    watch.segment(Progress(1, 2, 8, 8, 30, 1.0, 0.5))
    watch.epoch(0, EpochRow(1, 1.0, 0.5, None, None, 0.1))
    assert not watch.enough()
    watch.segment(Progress(2, 2, 5, 8, 50, 1.0, 0.5))
    assert watch.enough()
    assert (watch.seconds, watch.steps, watch.examples) == (3.5, 13, 130)


def test_the_stopwatch_ends_by_time_over_all_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 5.0, 6.0])
    monkeypatch.setattr("xpmlp.bench.stopwatch.time.perf_counter", lambda: next(clock))
    watch = Stopwatch(most_seconds=2.0)
    for enough in (False, True):
        watch.begin(1, 5, "accuracy")
        watch.segment(Progress(1, 1, 5, 5, 50, 1.0, 0.5))
        assert watch.enough() == enough


@pytest.mark.slow(reason="a process that trains; the command's test starts one, too")
def test_each_backend_is_measured_in_a_process() -> None:
    heard: list[str] = []
    (measured,) = bench(digits_config(), ["numpy"], seconds=0.02, listen=heard.append)
    assert measured.name == "numpy on cpu"
    assert measured.pace is not None
    assert measured.pace.steps_per_second > 0
    assert heard == ["numpy", "numpy on cpu"]


@pytest.mark.slow
def test_a_backend_that_fails_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("array_api_strict", reason="needs array-api-strict")
    monkeypatch.setattr(comparison, "_paced", faults.dies_or_raises)
    measured = {one.device: one for one in bench(digits_config(), ["strict"])}
    assert measured["cpu"].problem == "its process died with exit code 7 (out of memory?)"
    assert measured["device1"].problem == "RuntimeError: a fault"
    assert measured["no_float64"].pace == faults.PACE


@pytest.mark.slow
def test_a_backend_that_is_not_there_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("array_api_strict", reason="needs array-api-strict")
    config = digits_config({"backend.dtype": "float64"})
    monkeypatch.setattr(comparison, "_probed", faults.only_no_float64)
    (measured,) = bench(config, ["strict"], seconds=0.02)
    assert measured.pace is None
    assert measured.problem is not None
    assert 'set backend.dtype to "float32"' in measured.problem


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backends": ["numpy", "numpie"]}, BackendError, "no backend 'numpie'"),
        ({"backends": []}, BackendError, "no backend was given"),
        ({"seconds": 0.0}, ConfigError, "cannot take 0 seconds"),
        ({"seconds": math.nan}, ConfigError, "cannot take nan seconds"),
        ({"seconds": math.inf}, ConfigError, "cannot take inf seconds"),
    ],
)
def test_what_cannot_be_measured(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        bench(digits_config(), **options)


@pytest.mark.slow(reason="starts two processes")
def test_of_several_gpus_the_first_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_probed", faults.two_gpus)
    monkeypatch.setattr(comparison, "_paced", faults.dies_or_raises)
    measured = bench(digits_config(), ["torch"])
    assert [(one.device, one.pace is not None) for one in measured] == [("cpu", False), ("cuda:0", True)]


def measured(name: str, examples: float, memory: int) -> Measured:
    return Measured(name, "cpu", Pace("1", "cpu", examples / 10, examples, 1.0, memory), None)


NUMPY, TORCH, JAX = measured("numpy", 1000.0, 100), measured("torch", 500.0, 50), measured("jax", 1020.0, 200)
CUPY = Measured("cupy", None, None, "not installed")


@pytest.mark.parametrize(
    ("of", "backend", "reason"),
    [
        ([CUPY, TORCH], "torch", "torch on cpu: it is the only one that could be measured."),
        ([TORCH, NUMPY], "numpy", "numpy on cpu: it is 2.0 times as fast as torch on cpu, the next."),
        ([TORCH, NUMPY, JAX], "numpy", "numpy on cpu: it is as fast as jax on cpu within 5%, and takes less memory."),
    ],
)
def test_what_is_recommended(of: list[Measured], backend: str, reason: str) -> None:
    recommendation = recommend(of)
    assert recommendation is not None
    assert (recommendation.backend, recommendation.device, recommendation.reason) == (backend, "cpu", reason)


def test_without_a_measurement_nothing_is_recommended() -> None:
    assert recommend([CUPY]) is None
