"""Memory: estimates against measurements, and one sentence if there is not enough."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

import xpmlp
from tests.helpers import CASES, Case
from tests.training.small import small_dataset, small_problem
from xpmlp.backend import Backend, resolve
from xpmlp.backend.numpy import NumpyBackend
from xpmlp.config import Config, DataConfig, ModelConfig, OutputConfig, TrainConfig
from xpmlp.data import Dataset, Part
from xpmlp.errors import BackendError
from xpmlp.training import Reporter
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.memory import Footprint, footprint, memory_explained
from xpmlp.training.run import RunSettings
from xpmlp.training.trainer import train_to_the_end

FEATURES, EXAMPLES = 200, 3000


def large_dataset() -> Dataset:
    """Enough examples and features for the memory to be that of arrays and not of Python."""
    rng = np.random.default_rng(0)

    def part(examples: int) -> Part:
        features = rng.integers(0, 17, size=(examples, FEATURES), dtype=np.uint8)
        return Part(features, rng.integers(0, 3, size=examples))

    return replace(small_dataset(), train=part(EXAMPLES), validation=part(1000))


def peak(problem: ConfigTrainable, runs: int) -> int:
    """The most bytes that a training takes at once, its data set included."""
    backend, settings = problem.backend, RunSettings.of(problem.config.train)
    with backend.session(1):
        tracemalloc.start()
        try:
            train_block(problem, [settings._replace(seed=seed) for seed in range(runs)], Reporter(), lambda: False)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


SHAPES: dict[str, dict[str, Any]] = {
    "large layers": {"hidden": [800, 400], "batch_size": 32},
    "large batches": {"hidden": [100], "batch_size": 1500},
    "many steps": {"hidden": [20], "batch_size": 4, "learning_rate": 0.01},
    "waves": {"layers": [{"kind": "periodic", "waves": 16, "width": 3}], "batch_size": 500},
    "bins": {"layers": [{"kind": "piecewise_linear", "bins": 24, "width": 4}], "batch_size": 500},
}


@pytest.mark.slow
@pytest.mark.parametrize("runs", [1, 4])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "averaged"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_estimate_is_enough_and_not_far_too_much(shape: dict[str, Any], optimizer: str, runs: int) -> None:
    backend = resolve("numpy", None, "float32").backend
    settings = {"learning_rate": 1e-4, "epochs": 1, "optimizer": optimizer, "patience": 1, **shape}
    if optimizer == "averaged":
        settings |= {"optimizer": "momentum", "averaging": 0.9, "clip_norm": 1.0}
    layers = settings.pop("layers", [])
    problem = small_problem(backend, large_dataset(), **settings)
    if layers:
        model = ModelConfig(layers=layers)
        problem = replace(problem, config=problem.config.model_copy(update={"model": model}))
    measured, estimated = peak(problem, runs), footprint(problem).of(runs)
    # most too much where evaluation counts a batch of inputs for each run: some libraries copy it, NumPy does not
    assert measured <= estimated <= 4 * measured


def test_how_many_fit() -> None:
    taken = Footprint(data=1000, run=100)
    assert taken.of(3) == 1300
    # four fifths of the memory, less the data
    assert [taken.widest(free) for free in (2000, 1999, 1875, 1500, 1250, 0, -5)] == [6, 5, 5, 2, 1, 1, 1]
    ahead = Footprint(data=1000, run=100, ahead=250, batches=100)
    assert [ahead.of(runs) for runs in (1, 2, 3, 4)] == [1200, 1400, 1550, 1650]
    for free in range(1500, 4000, 7):  # as many as fit, and no more
        widest = ahead.widest(free)
        assert widest == 1 or ahead.of(widest) <= 0.8 * free < ahead.of(widest + 1) + 1


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_error_of_the_library_is_recognised(case: Case, get_backend: Callable[..., Backend]) -> None:
    backend = get_backend(*case)
    assert backend.memory.is_exhausted(MemoryError())
    assert not backend.memory.is_exhausted(RuntimeError("something else"))
    with pytest.raises((MemoryError, RuntimeError)) as caught, backend.session(1):
        backend.to_numpy(backend.xp.zeros((2**23, 2**23), dtype=backend.dtype, device=backend.device))
    assert backend.memory.is_exhausted(caught.value), caught.value


def exhausted(*_: Any, **__: Any) -> NoReturn:
    raise MemoryError("Unable to allocate 1 PiB")


def test_it_is_one_sentence_with_the_size_and_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = small_problem()
    settings = [RunSettings.of(problem.config.train)] * 3
    monkeypatch.setattr(NumpyBackend, "fold", exhausted)
    monkeypatch.setattr(type(NumpyBackend.memory), "free", lambda self: 2_000_000)
    size = rf"{footprint(problem).of(3) / 1e3:.1f} kB, 2.0 MB were free"
    with pytest.raises(BackendError) as caught:
        train_to_the_end(problem, settings, Reporter(), lambda: False)
    assert str(caught.value) == (
        f"backend numpy ran out of memory on cpu: it takes about {size}; "
        "lower train.batch_size (it is 8) or grid.block_width (3 runs are stacked)."
    )
    with pytest.raises(BackendError, match=r"lower train.batch_size \(it is 8\)\.$"):
        train_to_the_end(problem, settings[:1], Reporter(), lambda: False)


def test_evaluation_and_prediction_say_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(data=DataConfig(name="digits"), train=TrainConfig(epochs=1), output=OutputConfig(plots=False))
    xpmlp.train(config, tmp_path / "run")
    monkeypatch.setattr(NumpyBackend, "fold", exhausted)
    with pytest.raises(BackendError, match=r"ran out of memory on cpu: .*; evaluate on another backend or device\.$"):
        xpmlp.evaluate(tmp_path / "run")
    with pytest.raises(BackendError, match=r"ran out of memory on cpu: .*; predict fewer examples at a time\.$"):
        xpmlp.predict(tmp_path / "run", np.zeros((2, 64)))


def test_other_errors_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError), memory_explained(resolve("numpy").backend, 1, ""):
        raise ZeroDivisionError


def test_where_nothing_tells_how_much_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(NumpyBackend.memory), "free", lambda self: None)
    with (
        pytest.raises(BackendError, match=r"takes about 3.1 GB; buy some\.$"),
        memory_explained(resolve("numpy").backend, 3_141_592_653, "buy some"),
    ):
        exhausted()
