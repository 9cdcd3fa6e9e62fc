"""Rows of the data gathered within the step equal those gathered ahead."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from tests.backend.compiled_steps import compiled, is_left_to_python, needs_numba, on_numpy
from xpmlp.backend import resolve
from xpmlp.nn.ops import gather

pytest.importorskip("numba", reason=needs_numba)

from xpmlp.backend.compiled.lazy_gather import LazyGather, materialized

KINDS = ["uint8", "backend's"]


def data(backend: Any, kind: str, rng: np.random.Generator) -> Any:
    return rng.integers(0, 256, size=(20, 37)).astype(backend.dtype if kind == "backend's" else kind)


def add(state: Any, batch: Any, _: Any) -> Any:
    return (state[0] + batch[0],), (batch[0] + 0,)


@on_numpy
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 1 / 255])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_takes_them(
    kind: str, scale: float, threads: int, backend: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xpmlp.backend.compiled.division.LEAST_WORK", 0)
    monkeypatch.setattr("xpmlp.backend.compiled.division.LEAST_STEP", 1)
    features, rows = data(backend, kind, rng), rng.integers(0, 20, size=(4, 2, 13))
    for shape in (rows.shape, (4, 26), (4, 1, 26)):
        later = backend.ops.gather(features, rows.reshape(-1), backend.dtype, scale)
        assert isinstance(later, LazyGather)
        x = np.reshape(later, (*shape, -1))
        assert isinstance(x, LazyGather)
        assert (x.shape, x.ndim) == ((*shape, 37), len(shape) + 1)
        expected = np.reshape(gather(backend.xp, features, rows.reshape(-1), backend.dtype, scale), x.shape)
        start = np.zeros(x.shape[1:], backend.dtype)
        _, (taken,) = compiled(backend, add, (start,), (x,), threads=threads)
        np.testing.assert_array_equal(taken, expected)
        np.testing.assert_array_equal(materialized(x), expected)
        np.testing.assert_array_equal(np.asarray(x), expected)


@on_numpy
def test_a_step_that_is_not_compiled_gets_an_array(backend: Any, rng: np.random.Generator) -> None:
    features, rows = data(backend, "uint8", rng), rng.integers(0, 20, size=6)

    def step(state: Any, batch: Any, _: Any) -> Any:
        return (state[0] + np.cbrt(batch[0]),), (batch[0],)

    x = np.reshape(backend.ops.gather(features, rows, backend.dtype, 1.0), (3, 2, 37))
    state = (np.zeros((2, 37), backend.dtype),)
    assert is_left_to_python(backend, step, state, (x,))
    _, (taken,) = backend.scan(step, state, (x,), None)
    np.testing.assert_array_equal(taken, features[rows].reshape(3, 2, 37))


@on_numpy
def test_other_questions_form_them(backend: Any, rng: np.random.Generator) -> None:
    features, rows = data(backend, "uint8", rng), rng.integers(0, 20, size=6)
    later, expected = backend.ops.gather(features, rows, backend.dtype, 1.0), features[rows]
    np.testing.assert_array_equal(np.reshape(later, (37, 6)), expected.reshape(37, 6))
    np.testing.assert_array_equal(np.sum(later, axis=0), expected.sum(axis=0))
    np.testing.assert_array_equal(np.sum(a=later, axis=0), expected.sum(axis=0))
    np.testing.assert_array_equal(np.reshape(later, -1), expected.reshape(-1))
    np.testing.assert_array_equal(np.reshape(later, (3, 2, 37), "F"), expected.reshape(3, 2, 37, order="F"))
    np.testing.assert_array_equal(np.concatenate([later, later]), np.concatenate([expected, expected]))
    with pytest.raises(ValueError, match="not formed"):
        later.__array__(copy=False)


@on_numpy
def test_what_a_step_cannot_take_is_taken_at_once(backend: Any, rng: np.random.Generator) -> None:
    features, rows = data(backend, "uint8", rng), rng.integers(0, 20, size=6)
    for these, those in (
        (features.astype("int16"), rows),
        (features[:, ::2], rows),
        (features, rows.astype("int32")),
        (features, rows[::2]),
        (features, rows[:0]),
    ):
        x = backend.ops.gather(these, those, backend.dtype, 0.5)
        assert isinstance(x, np.ndarray)
        np.testing.assert_array_equal(x, np.asarray(0.5 * these[those], backend.dtype))


@on_numpy
def test_data_that_cannot_be_written_to(backend: Any, rng: np.random.Generator) -> None:
    features = data(backend, "uint8", rng)
    features.flags.writeable = False
    x = np.reshape(backend.ops.gather(features, np.asarray([3, 4]), backend.dtype, 1.0), (1, 2, 37))
    _, (taken,) = compiled(backend, add, (np.zeros((2, 37), backend.dtype),), (x,))
    np.testing.assert_array_equal(taken[0], features[[3, 4]])


@on_numpy
def test_a_row_that_is_not_there(backend: Any, rng: np.random.Generator) -> None:
    features = data(backend, "uint8", rng)
    for wrong in (20, -1, 2**62):
        x = np.reshape(backend.ops.gather(features, np.asarray([3, wrong]), backend.dtype, 1.0), (1, 2, 37))
        with pytest.raises(IndexError, match="row index out of range"):
            compiled(backend, add, (np.zeros((2, 37), backend.dtype),), (x,))


def test_without_compiled_steps_they_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    backend = resolve("numpy").backend
    assert isinstance(backend.ops.gather(np.eye(3, dtype="uint8"), np.asarray([1]), backend.dtype, 1.0), np.ndarray)
