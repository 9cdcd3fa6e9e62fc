"""What is not compiled is left to Python, with nothing done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backend.compiled_steps import STEPS, compiled, in_float64, is_left_to_python, needs_numba

pytest.importorskip("numba", reason=needs_numba)


def _swap(state: Any, batch: Any, _: Any) -> Any:
    return (state[1], state[0]), (batch[0] + 0,)


def _twice(truth: Any) -> Any:
    real = truth.astype(float)
    real *= 5.0
    return truth.astype(float) + real


LEFT = {
    "a part": lambda state, batch, _: (state, (batch[0][:1, ...] + 0,)),
    "a number out of an array": lambda state, batch, _: (state, (batch[0] + state[0][0, 0],)),
    "a truth": lambda state, batch, _: (state, (batch[0] > 0,)),
    "another function": lambda state, batch, _: (state, (np.log(batch[0]),)),
    "another sum": lambda state, batch, _: (state, (np.sum(batch[0], axis=-1),)),
    "a reshaped array": lambda state, batch, _: (state, (np.reshape(batch[0], (1, -1)),)),
    "four axes": lambda state, batch, _: (state, (batch[0][..., None][..., None] + 0,)),
    "the transpose in arithmetic": lambda state, batch, _: (state, (batch[0] + batch[0].mT,)),
    "over what is still read": lambda state, batch, _: (state, (np.add(batch[0], batch[0].mT, out=batch[0]),)),
    "parts of the state that change places": _swap,
    "a branch on values": lambda state, batch, _: (state, (batch[0] + 0 if batch[0].any() else batch[0] * 2,)),
    "an array that is read": lambda state, batch, _: (state, (batch[0] + float(np.asarray(batch[0]).max()),)),
    "a length": lambda state, batch, _: (state, (batch[0] + len(batch[0]),)),
    "rows one by one": lambda state, batch, _: (state, (sum(row for row in batch[0]),)),
    "a number repeated along a row": lambda state, batch, _: (
        state,
        (np.exp(np.broadcast_to(np.sum(batch[0], axis=-2, keepdims=True), (2, 2)).mT),),
    ),
    "a truth made real twice": lambda state, batch, _: (state, (_twice(batch[0] > 0),)),
    "an array of zeros": lambda state, batch, _: (state, (np.zeros_like(batch[0]),)),
    "zeros that are written to": lambda state, batch, _: (state, (np.zeros_like(batch[0]).__iadd__(batch[0]),)),
    "a sum of another type": lambda state, batch, _: (state, (np.sum(batch[0], axis=-2, keepdims=True, dtype="f4"),)),
    "an error": lambda state, batch, _: (state, (batch[0] + 0,)) if type(batch[0]) is np.ndarray else 1 / 0,
    "an attribute": lambda state, batch, _: (state, (batch[0].copy(),)),
    "a part of a constant array": lambda state, batch, table: (state, (batch[0] + table[:1, ...],)),
    "a number of a constant array": lambda state, batch, table: (state, (batch[0] + table[0, 0],)),
}


@in_float64
@pytest.mark.parametrize("step", LEFT.values(), ids=LEFT)
def test_what_cannot_be_traced_is_left_to_python(step: Any, backend: Any, rng: np.random.Generator) -> None:
    state = (np.ones((2, 2)), np.zeros((2, 2)))
    batches, table = (rng.uniform(1, 2, size=(STEPS, 2, 2)),), np.ones((2, 2))
    assert is_left_to_python(backend, step, state, batches, table)
    _, (outputs,) = backend.scan(step, state, batches, table)
    assert len(outputs) == STEPS


@in_float64
def test_only_row_major_arrays_of_the_backends_dtype(backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        return (state[0] + batch[0],), (batch[0] + 0,)

    good, batches = np.ones((2, 3)), (np.ones((STEPS, 2, 3)),)
    compiled(backend, step, (good,), batches)
    read_only = np.ones((2, 3))
    read_only.flags.writeable = False
    for other in (
        np.ones((3, 2)).T,
        np.ones((2, 3), np.float32),
        np.ones((2, 3), ">f8"),
        np.ones((2, 3), int),
        read_only,
    ):
        assert is_left_to_python(backend, step, (other,), batches)


@in_float64
def test_batches_of_any_layout_are_read_and_left_alone(backend: Any, rng: np.random.Generator) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        x = batch[0]
        x *= 2.0
        return (state[0] + x,), (x + 0,)

    values = rng.normal(size=(STEPS, 2, 3))
    read_only = values.copy()
    read_only.flags.writeable = False
    for batch in (
        np.repeat(values, 2, axis=-1)[..., ::2],
        np.swapaxes(np.swapaxes(values, 1, 2).copy(), 1, 2),
        read_only,
    ):
        (after,), _ = compiled(backend, step, (np.zeros((2, 3)),), (batch,))
        np.testing.assert_allclose(after, 2 * values.sum(0))
        np.testing.assert_array_equal(batch, values)


@in_float64
def test_what_is_empty_or_does_not_fit_is_left_to_python(backend: Any) -> None:
    ops = backend.ops

    def step(state: Any, batch: Any, _: Any) -> Any:
        return (ops.add_sum(state[0], batch[0], 1.0),), (batch[0] + 0,)

    assert is_left_to_python(
        backend, step, (np.zeros((1, 2)),), (np.ones((1, 1, 12)),)
    )  # would write beyond the biases
    assert is_left_to_python(backend, step, (np.zeros((2, 1, 5)),), (np.ones((1, 3, 4, 5)),))
    for shape in ((0, 4), (4, 0)):
        assert is_left_to_python(backend, step, (np.zeros((1, shape[1])),), (np.ones((STEPS, *shape)),))
    assert is_left_to_python(backend, step, (np.zeros((1, 4)),), (np.ones((0, 3, 4)),))
    assert is_left_to_python(backend, step, (np.zeros((1, 4)),), ())
    two = np.ones((5, 2, 2)), np.ones((3, 2, 2))
    assert is_left_to_python(backend, lambda s, b, _: (s, (b[0] + b[1],)), (np.zeros((2, 2)),), two)


@in_float64
@pytest.mark.parametrize("shape", [(2, 3), (3, 1), (4,)], ids=str)
def test_a_kernel_of_two_operands_reads_one_of_them_number_by_number(shape: tuple[int, ...], backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        return state, (np.zeros_like(batch[0]) + 1.0,)

    batch = np.full((2, *shape), 5.0)
    _, (ones,) = backend.scan(step, (np.zeros(2),), (batch,), None)
    np.testing.assert_array_equal(ones, np.ones_like(batch))
