"""Steps that cannot be compiled are left to Python, with no side effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backend.compiled_steps import STEPS, compiled, in_float64, is_left_to_python, needs_numba

pytest.importorskip("numba", reason=needs_numba)


def _overwritten(truth: Any) -> Any:
    real = truth.astype(float)
    real *= 5.0
    return np.where(truth, real, 0.0)


def _write(array: Any) -> Any:
    array[0, :] = 1.0
    return array


MANY = np.ones((70_000, 2))
LEFT = {
    "another function": lambda state, batch, _: (state, (np.arctan(batch[0]),)),
    "a product of all": lambda state, batch, _: (state, (np.prod(batch[0], axis=-1),)),
    "a truth that was written over": lambda state, batch, _: (state, (_overwritten(batch[0] > 0),)),
    "a product with a vector": lambda state, batch, _: (state, (batch[0] @ batch[0][0],)),
    "rows chosen by truths": lambda state, batch, _: (state, (batch[0][batch[0][:, 0] > 0],)),
    "a part that is written to": lambda state, batch, _: (state, (_write(batch[0] + 0),)),
    "a high power": lambda state, batch, _: (state, (batch[0] ** 9,)),
    "numbers of another type": lambda state, batch, _: (state, (batch[0] + np.ones((2, 2), np.float32),)),
    "many numbers from elsewhere": lambda state, batch, _: (state, ((batch[0][:1] + MANY)[:2],)),
    "a part of a hidden array": lambda state, batch, table: (state, (batch[0] + table[:1, ...],)),
    "a hidden array in arithmetic": lambda state, batch, table: (state, (batch[0] + table,)),
    "the sum of a hidden array": lambda state, batch, table: (state, (batch[0] + np.sum(table),)),
    "a truth": lambda state, batch, _: (state, (batch[0] > 0,)),
    "a branch on values": lambda state, batch, _: (state, (batch[0] + 0 if batch[0].any() else batch[0] * 2,)),
    "an array that is read": lambda state, batch, _: (state, (batch[0] + float(np.asarray(batch[0]).max()),)),
    "a length": lambda state, batch, _: (state, (batch[0] + len(batch[0]),)),
    "rows one by one": lambda state, batch, _: (state, (sum(row for row in batch[0]),)),
    "zeros that are written to": lambda state, batch, _: (state, (np.zeros_like(batch[0]).__iadd__(batch[0]),)),
    "a sum of another type": lambda state, batch, _: (state, (np.sum(batch[0], axis=-2, keepdims=True, dtype="f4"),)),
    "an attribute": lambda state, batch, _: (state, (batch[0].copy(),)),
}


@in_float64
@pytest.mark.parametrize("step", LEFT.values(), ids=LEFT)
def test_what_cannot_be_traced_is_left_to_python(step: Any, backend: Any, rng: np.random.Generator) -> None:
    state = (np.ones((2, 2)), np.zeros((2, 2)))
    batches, table = (rng.uniform(1, 2, size=(STEPS, 2, 2)),), np.ones((2, 2), np.float32)
    assert is_left_to_python(backend, step, state, batches, table)
    _, (outputs,) = backend.scan(step, state, batches, table)
    assert len(outputs) == STEPS


@in_float64
def test_what_stood_in_the_way_is_said_once(
    backend: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("xpmlp._notices._shown", set())
    for function, steps in ((np.arcsinh, 1), (np.arctan, STEPS), (np.arctan, STEPS), (np.arcsinh, STEPS)):
        backend.scan(lambda s, b, _, f=function: (s, (f(b[0]),)), (np.ones(2),), (np.ones((steps, 2)),), None)
    (record,) = caplog.records
    assert record.getMessage() == "steps run as they are written, which takes longer, because of arctan."


@in_float64
@pytest.mark.parametrize(
    ("step", "error"),
    [
        (lambda state, batch, _: (state, (undefined(batch[0]),)), NameError),  # noqa: F821
        (lambda state, batch, _: (state, (np.exp(batch[0], batch[0], batch[0], 1),)), TypeError),
        (lambda state, batch, _: (state, (batch[0] / (1 // 0),)), ZeroDivisionError),
        (lambda state, batch, _: (state, (batch[0] + np.ones((2, 3)),)), ValueError),
        (lambda state, batch, _: (state, (batch[0].__iadd__(np.ones((3, 2, 2))),)), ValueError),
        (lambda state, batch, _: (state, (batch[0] @ np.ones((3, 2)),)), ValueError),
        (lambda state, batch, _: (state, (np.reshape(batch[0], (3, 2)),)), ValueError),
        (lambda state, batch, _: (state, (np.broadcast_to(batch[0], (2, 3)),)), ValueError),
        (lambda state, batch, _: (state, (np.squeeze(batch[0], axis=0),)), ValueError),
        (lambda state, batch, _: (state, (batch[0][2],)), IndexError),
        (lambda state, batch, _: (state, (batch[0][0, 0, 0],)), IndexError),
        (lambda state, batch, _: (state, (np.sum(batch[0], axis=2),)), ValueError),
        (lambda state, batch, _: (state, (batch.x,)), AttributeError),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_mistake_in_a_step_is_raised_as_it_is(
    step: Any, error: type[Exception], backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it is, and of the kind that NumPy raises."""
    state, batch = (np.ones((2, 2)),), np.ones((2, 2))
    with pytest.raises(error):
        step(state, (batch,), None)
    with pytest.raises(error) as caught:
        backend.scan(step, state, (np.ones((STEPS, 2, 2)),), None)
    assert any(entry.name == "<lambda>" for entry in caught.traceback)
    assert not caplog.records


@in_float64
def test_parts_of_the_state_change_places(backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        return (state[1], state[0], state[2].mT, np.zeros_like(state[3])), (state[0], state[0])

    state = tuple(np.arange(4.0).reshape(2, 2) + number for number in range(4))
    after, outputs = compiled(backend, step, tuple(one.copy() for one in state), (np.ones((1, 1)),))
    for one, wanted in zip(after, (state[1], state[0], state[2].T, 0 * state[3]), strict=True):
        np.testing.assert_array_equal(one, wanted)
    for one in outputs:
        np.testing.assert_array_equal(one[0], state[0])


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

    for biases, delta in (((1, 2), (1, 1, 12)), ((2, 1, 5), (1, 3, 4, 5))):  # would write beyond the biases
        with pytest.raises(ValueError, match="broadcast"):
            backend.scan(step, (np.zeros(biases),), (np.ones(delta),), None)
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
