"""Recorded and replayed steps equal the original steps, bit by bit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.backend.cupy_stand_in import Stream
from tests.helpers import cases, find_backend
from tests.training.small import small_problem, train_runs, weights_of
from xpmlp.backend import Backend, replay, resolve
from xpmlp.backend.cupy import CupyBackend
from xpmlp.backend.replay import Recordings
from xpmlp.config import ModelConfig
from xpmlp.optim import Hyperparameters, optimizers
from xpmlp.training import Run
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.run import RunSettings, Status

LENGTH = 2
"""Steps in a recording here: of the eight full batches of an epoch, two are run one after another, and six replayed."""

STACK = [RunSettings(seed, 0.1 * (seed + 1), 1e-3, 0.5) for seed in range(3)]


def on_two(dtype: str | None = None) -> pytest.MarkDecorator:
    """A mark for tests on the CPU, with two libraries like the two that record on a GPU."""
    return pytest.mark.parametrize("backend", cases("numpy", "torch", dtype=dtype)[:4], indirect=True)


class Recorder:
    """Recording for a backend that does at once what it is asked: a recording is the function itself.

    Its arrays are in their places, so that a replay finds and leaves everything where a graph would.
    """

    def __init__(self) -> None:
        self.recorded = self.launched = 0

    def __call__(self, body: Callable[[], None]) -> Callable[[], None]:
        self.recorded += 1

        def launch() -> None:
            self.launched += 1
            body()

        return launch


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr("xpmlp.backend.base.STEPS", LENGTH)
    return Recorder()


def compared(
    backend: Backend,
    recorder: Recorder,
    settings: Sequence[RunSettings] = (),
    model: dict[str, Any] | None = None,
    **train: Any,
) -> list[Run]:
    """Runs trained with recordings, whose losses and weights are those without, bit by bit."""
    if backend.name == "numpy":  # which compiles its steps, and has no array before them for a recording to copy
        backend = find_backend("numpy", None, backend.dtype_name, fused=False)
    problem = small_problem(backend, **train)
    if model is not None:
        config = problem.config.model_copy(update={"model": ModelConfig(hidden_layer_sizes=[5], **model)})
        problem = ConfigTrainable(config, problem.dataset, backend)
    before = backend.recordings
    try:
        backend.recordings = None
        plain = train_runs(problem, *settings)
        backend.recordings = Recordings(backend, recorder)
        runs = train_runs(problem, *settings)
    finally:
        backend.recordings = before
    for run, other in zip(runs, plain, strict=True):
        np.testing.assert_array_equal(run.losses, other.losses)
        for ours, theirs in zip(weights_of(problem, run), weights_of(problem, other), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    return runs


@on_two()
@pytest.mark.parametrize("settings", [(), STACK], ids=["one", "three"])
@pytest.mark.parametrize("optimizer", optimizers)
def test_replayed_steps_are_the_steps(
    optimizer: str, settings: Sequence[RunSettings], backend: Backend, recorder: Recorder
) -> None:
    compared(backend, recorder, settings, optimizer=optimizer)
    assert recorder.recorded == 1
    assert recorder.launched == (8 - LENGTH + 8) // LENGTH


@on_two("float64")
def test_masks_of_dropout_are_those_of_each_step(backend: Backend, recorder: Recorder) -> None:
    compared(backend, recorder, model={"dropout": 0.3})
    assert recorder.recorded == 1


@on_two("float64")
def test_steps_left_over_are_replayed_one_by_one(
    backend: Backend, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xpmlp.backend.base.STEPS", 5)
    compared(backend, recorder, batch_size=3)  # 23 steps and one of two examples
    assert recorder.recorded == 2
    assert recorder.launched == (3 + 2) + (4 + 3)


@on_two("float64")
@pytest.mark.parametrize("settings", [(), STACK], ids=["one", "three"])
@pytest.mark.parametrize("schedule", ["cosine", "coslog"])
def test_another_learning_rate_is_the_same_recording(
    schedule: str, settings: Sequence[RunSettings], backend: Backend, recorder: Recorder
) -> None:
    compared(backend, recorder, settings, {"dropout": 0.3, "dropout_schedule": "linear"}, epochs=3, schedule=schedule)
    assert recorder.recorded == 1


@on_two("float64")
def test_a_run_that_leaves_the_stack_leaves_the_others_as_they_are(backend: Backend, recorder: Recorder) -> None:
    settings = [STACK[0], STACK[1]._replace(learning_rate=1e300), STACK[2]]
    with np.errstate(over="ignore", invalid="ignore"):
        runs = compared(backend, recorder, settings, activation="identity", segment_steps=8)
    assert [run.status for run in runs] == [Status.FINISHED, Status.DIVERGED, Status.FINISHED]
    assert recorder.recorded == 2


@on_two("float64")
def test_a_short_fold_is_not_recorded(backend: Backend, recorder: Recorder) -> None:
    compared(backend, recorder, batch_size=25, epochs=1)  # two full batches
    assert recorder.recorded == 0


@on_two("float64")
def test_short_folds_add_up(backend: Backend, recorder: Recorder) -> None:
    # four full batches, not thrice as many as a recording's two: replayed one by one, in the second epoch two by two
    compared(backend, recorder, batch_size=16, epochs=4)
    assert (recorder.recorded, recorder.launched) == (2, 3 + 1 + 2 + 2)


def test_threads_have_recordings_of_their_own(recorder: Recorder) -> None:
    backend = resolve("numpy", None, "float64").backend
    recordings = Recordings(backend, recorder)

    def step(state: Any, batch: Any, _: Any) -> Any:
        return state + batch[0], (state,)

    def scan() -> list[float]:
        state, _ = recordings.scan(step, np.zeros(1), (np.ones((6, 1)),), None, LENGTH, 6)
        made.append(*recordings.made.values())
        recordings.clear()
        return list(map(float, state))

    made: list[Any] = []
    with ThreadPoolExecutor(1) as thread:
        here, there = scan(), thread.submit(scan).result()
    assert (here, there, len(set(map(id, made)))) == ([6.0], [6.0], 2)


def test_large_constants_have_to_be_the_same(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "OWNED_BYTES", 8)
    backend = resolve("numpy", None, "float64").backend
    recordings = Recordings(backend, recorder)
    batches = (np.ones((6, 1)),)

    def step(state: Any, batch: Any, constant: Any) -> Any:
        return state + batch[0] * constant[0], (state,)

    large, another = np.asarray([2.0, 3.0]), np.asarray([4.0, 5.0])
    for constant, recorded in ((large, 1), (large, 1), (another, 2)):
        state, _ = recordings.scan(step, np.zeros(2), batches, constant, LENGTH, 6)  # a state may be large
        assert (state.tolist(), recorder.recorded) == (2 * [6 * constant[0]], recorded)


def test_numbers_in_another_place_are_others(recorder: Recorder) -> None:
    backend = resolve("numpy", None, "float64").backend
    recordings = Recordings(backend, recorder)

    def step(state: Any, batch: Any, rates: Hyperparameters) -> Any:
        return state + (1 if rates.weight_decay is None else 10) * batch[0], (state,)

    for rates, expected in ((Hyperparameters(0.5, None, 0.1), 6), (Hyperparameters(0.5, 0.1, None), 60)):
        state, _ = recordings.scan(step, np.zeros(1), (np.ones((6, 1)),), rates, LENGTH, 6)
        assert state.tolist() == [expected]
    assert recorder.recorded == 2


def test_a_recording_takes_the_place_of_one_of_other_shapes(recorder: Recorder) -> None:
    backend = resolve("numpy", None, "float64").backend
    recordings = Recordings(backend, recorder)

    def step(state: Any, batch: Any, _: Any) -> Any:
        return state + batch[0], (state,)

    for width in range(1, 10):
        recordings.scan(step, np.zeros(width), (np.ones((6, width)),), None, LENGTH, 6)
        assert len(recordings.made) == 1
    assert recorder.recorded == 9
    recordings.clear()
    assert not recordings.made


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["cupy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("settings", [(), STACK], ids=["one", "three"])
@pytest.mark.parametrize("optimizer", optimizers)
def test_cuda_graphs_are_the_steps(
    name: str,
    dtype: str,
    optimizer: str,
    settings: Sequence[RunSettings],
    get_backend: Callable[..., Backend],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("xpmlp.backend.base.STEPS", LENGTH)
    backend = get_backend(name, "cuda:0", dtype)
    recorded = []
    record = backend._record  # type: ignore[attr-defined]

    def counted(body: Callable[[], None]) -> Callable[[], None]:
        recorded.append(body)
        launch: Callable[[], None] = record(body)
        return launch

    compared(backend, counted, settings, optimizer=optimizer)  # type: ignore[arg-type]
    assert len(recorded) == 1


RECORD = CupyBackend._record


@pytest.mark.parametrize("fails", [False, True])
def test_cupy_ends_what_it_captures(fails: bool, recording: Any) -> None:
    backend = resolve("cupy").backend
    captured = []

    def body() -> None:
        captured.append(Stream.current is not None and Stream.current.capturing)
        if fails:
            raise ZeroDivisionError

    with backend.session(1):
        stream = Stream.current
        assert stream is not None
        with pytest.raises(ZeroDivisionError) if fails else contextlib.nullcontext():
            RECORD(backend, body)()  # type: ignore[arg-type]
        assert (captured, stream.capturing, stream.launches) == ([True], False, 0 if fails else 1)
