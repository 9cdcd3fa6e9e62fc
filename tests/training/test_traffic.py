"""No hidden transfers: those between host and device in an epoch do not grow with its steps."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers import cases
from tests.training.small import EXAMPLES, small_dataset, small_problem, train_runs
from xpmlp.backend import Backend
from xpmlp.training.run import RunSettings

MANY_STEPS, ONE_STEP = 1, EXAMPLES
"""Batch sizes that make of an epoch one segment of 71 steps, or of one."""

RUNS = {
    "one run": [RunSettings(0, 0.01, 0.0, 0.0)],
    "3 runs": [RunSettings(seed, 0.01, 0.001, 0.0) for seed in range(3)],
}
one_and_many = pytest.mark.parametrize("runs", RUNS.values(), ids=RUNS)
one_dtype = pytest.mark.parametrize("backend", cases(dtype="float32"), indirect=True)


class Traffic:
    """Counts the calls of functions that move data; those that one of them makes inside are its own affair."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self._monkeypatch, self._counting = monkeypatch, True

    def watch(self, owner: Any, *names: str) -> None:
        for name in names:
            self._monkeypatch.setattr(owner, name, self._counted(name, getattr(owner, name)))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if not self._counting:
                return function(*arguments, **options)
            self.calls[name] += 1
            with self._paused():
                return function(*arguments, **options)

        return counted

    @contextlib.contextmanager
    def _paused(self) -> Iterator[None]:
        self._counting = False
        try:
            yield
        finally:
            self._counting = True


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    return Traffic(monkeypatch)


def moved_in_an_epoch(traffic: Traffic, backend: Backend, batch_size: int, runs: list[RunSettings]) -> dict[str, int]:
    """The calls that one more epoch makes."""
    counts = []
    for epochs in (1, 2):
        traffic.calls.clear()
        problem = small_problem(backend, small_dataset(), batch_size=batch_size, epochs=epochs, segment_steps=1000)
        train_runs(problem, *runs)
        counts.append(dict(traffic.calls))
    fewer, more = counts
    return {name: more[name] - fewer.get(name, 0) for name in more}


@pytest.mark.slow
@one_and_many
@one_dtype
def test_transfers_do_not_grow_with_the_steps(backend: Backend, runs: list[RunSettings], traffic: Traffic) -> None:
    traffic.watch(backend, "asarray", "to_numpy")
    many = moved_in_an_epoch(traffic, backend, MANY_STEPS, runs)
    assert many == moved_in_an_epoch(traffic, backend, ONE_STEP, runs)
    # for all 71 steps: the order there; losses, decisions and finite weights back, and as much for the evaluation
    assert 0 < many["asarray"] < 10
    assert 0 < many["to_numpy"] < 10


@one_and_many
@pytest.mark.parametrize("backend", cases("torch", dtype="float32"), indirect=True)
def test_no_tensor_is_read_but_by_to_numpy(backend: Backend, runs: list[RunSettings], traffic: Traffic) -> None:
    import torch

    traffic.watch(backend, "asarray", "to_numpy")
    methods = ("item", "tolist", "numpy", "cpu", "__array__", "__bool__", "__float__", "__int__", "__index__")
    traffic.watch(torch.Tensor, *methods)
    many = moved_in_an_epoch(traffic, backend, MANY_STEPS, runs)
    assert many == moved_in_an_epoch(traffic, backend, ONE_STEP, runs)
    assert {name: many[name] for name in methods if name in many} == {}


@one_and_many
@pytest.mark.parametrize("backend", cases("jax", dtype="float32"), indirect=True)
def test_jax_moves_nothing_within_a_fold(
    backend: Backend, runs: list[RunSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading is no question: the fold is one program, in which values cannot be read."""
    import jax

    scan, folds = backend.scan, Counter[str]()

    def guarded(step: Any, *operands: Any) -> Any:
        folds["all"] += 1
        on_device = jax.device_put(operands)  # the learning rate is a number until here
        with jax.transfer_guard("disallow"):
            return scan(step, *on_device)

    monkeypatch.setattr(backend, "scan", guarded)
    train_runs(small_problem(backend, batch_size=MANY_STEPS, epochs=1, segment_steps=1000), *runs)
    assert folds["all"] == 2, "one to train, one to evaluate"


@pytest.mark.gpu
@one_and_many
@pytest.mark.parametrize("backend", cases("cupy", dtype="float32"), indirect=True)
def test_cupy_reads_only_by_to_numpy(backend: Backend, runs: list[RunSettings], traffic: Traffic) -> None:
    import cupy

    traffic.watch(backend, "asarray", "to_numpy")
    methods = ("get", "item", "tolist", "set", "__bool__", "__float__", "__int__")
    traffic.watch(cupy.ndarray, *methods)
    traffic.watch(cupy, "asnumpy")
    many = moved_in_an_epoch(traffic, backend, MANY_STEPS, runs)
    assert many == moved_in_an_epoch(traffic, backend, ONE_STEP, runs)
    assert {name: many[name] for name in (*methods, "asnumpy") if name in many} == {}


def test_a_read_in_each_step_would_be_counted(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the tests above prove something."""
    from xpmlp.backend import resolve

    backend = resolve("numpy").backend
    scan = backend.scan

    def leaking(step: Any, state: Any, batches: Any, constants: Any) -> Any:
        def leak(state: Any, batch: Any, constants: Any) -> Any:
            state, outputs = step(state, batch, constants)
            backend.to_numpy(outputs[0])
            return state, outputs

        return scan(leak, state, batches, constants)

    monkeypatch.setattr(backend, "scan", leaking)
    traffic.watch(backend, "to_numpy")
    many, few = (moved_in_an_epoch(traffic, backend, size, RUNS["one run"]) for size in (MANY_STEPS, ONE_STEP))
    assert many["to_numpy"] - few["to_numpy"] == 70
