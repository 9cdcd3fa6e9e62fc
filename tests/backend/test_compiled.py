"""Compiled steps: each kernel against NumPy, any program against its step, and what is left to Python."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import cases, relative_difference, tolerance
from xpmlp.backend import Backend, resolve
from xpmlp.backend.base import Backend as Plain

pytest.importorskip("numba", reason="Numba is not installed: nothing is compiled")

from xpmlp.backend.compiled import kernels, program
from xpmlp.backend.compiled.instructions import NotTraceableError
from xpmlp.backend.compiled.tracing import trace

on_numpy = pytest.mark.parametrize("backend", cases("numpy"), indirect=True)
in_float64 = pytest.mark.parametrize("backend", cases("numpy", dtype="float64"), indirect=True)

RNG = np.random.default_rng(3)
STEPS = 3
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _the_same_numbers_for_each_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(3))


def compiled(backend: Any, step: Any, state: Any, batches: tuple[Any, ...], constants: Any = None) -> Any:
    """The fold by a compiled program; fails where there is none."""
    found = backend._scans.scan(step, state, batches, constants)
    assert found is not None, "it was not compiled"
    return found


def is_left_to_python(backend: Any, step: Any, state: Any, batches: tuple[Any, ...], constants: Any = None) -> bool:
    """Whether a step is not compiled; with nothing done then."""
    before = [leaf.copy() for leaf in state]
    left = backend._scans.scan(step, state, batches, constants) is None
    if left:
        for leaf, old in zip(state, before, strict=True):
            np.testing.assert_array_equal(leaf, old)
    return left


def applied(backend: Any, function: Callable[..., Any], *operands: npt.ArrayLike) -> npt.NDArray[Any]:
    """One step that applies a function to arrays, which come in as its batch."""
    batches = tuple(backend.parameters(np.asarray(operand)[None]) for operand in operands)
    _, (result,) = compiled(backend, lambda state, batch, _: (state, (function(*batch),)), (), batches)
    return np.asarray(result[0])


SHAPES: list[tuple[int, ...]] = [(), (1,), (7,), (1, 1), (1, 40), (33, 40), (33, 1), (2, 33, 40), (2, 1, 1)]
UNARY = [np.negative, np.exp, np.expm1, np.sqrt, np.tanh]
BINARY = [np.add, np.subtract, np.multiply, np.divide, np.maximum]


@on_numpy
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("function", UNARY, ids=lambda function: function.__name__)
def test_functions_of_one_operand(function: Any, shape: tuple[int, ...], backend: Backend) -> None:
    x = np.abs(RNG.normal(size=shape)) if function is np.sqrt else 3 * RNG.normal(size=shape)
    x = x.astype(backend.dtype)
    for actual in (applied(backend, function, x), applied(backend, lambda x: function(x, out=x), x)):
        assert (actual.shape, actual.dtype) == (shape, backend.dtype)
        np.testing.assert_allclose(actual, function(x.astype(float)), rtol=tolerance(backend, 5e-7, 1e-15))


@on_numpy
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("function", BINARY, ids=lambda function: function.__name__)
def test_functions_of_two_operands_with_every_broadcasting(
    function: Any, shape: tuple[int, ...], backend: Backend
) -> None:
    x = RNG.normal(size=shape).astype(backend.dtype)
    pairs: list[tuple[Any, Any]] = []
    for other in SHAPES:
        with contextlib.suppress(ValueError):
            np.broadcast_shapes(shape, other)
            y = RNG.normal(size=other).astype(backend.dtype)
            pairs += [
                (applied(backend, function, x, y), function(x, y)),
                (applied(backend, function, y, x), function(y, x)),
            ]
    for number in (0.3, 2):
        pairs.append((applied(backend, lambda x, n=number: function(x, n), x), function(x, number)))
        pairs.append((applied(backend, lambda x, n=number: function(n, x), x), function(number, x)))
    assert len(pairs) > 8
    for actual, wanted in pairs:
        assert actual.shape == wanted.shape
        np.testing.assert_allclose(actual, wanted, rtol=tolerance(backend, 2e-7, 1e-15))


@on_numpy
def test_arithmetic_in_place(backend: Backend) -> None:
    def step(x: Any, y: Any, row: Any) -> Any:
        x += y
        x *= row
        x -= 0.5
        x /= y
        np.subtract(1.0, x, out=x)
        np.multiply(y, x, out=x)  # over the second operand
        return x

    x, y, row = (RNG.uniform(1, 2, size=shape).astype(backend.dtype) for shape in ((9, 50), (9, 50), (1, 50)))
    actual = applied(backend, step, x, y, row)
    np.testing.assert_allclose(actual, y * (1 - ((x + y) * row - 0.5) / y), rtol=tolerance(backend, 1e-5, 1e-13))


@on_numpy
@pytest.mark.parametrize("function", ["exp", "expm1", "tanh", "sigmoid"])
def test_elementary_functions_over_all_numbers(function: str, backend: Backend) -> None:
    """A few roundings from the exact value, for the largest and the smallest numbers, too."""
    limit = tolerance(backend, 100.0, 800.0)
    x = np.concatenate([np.linspace(-limit, limit, 40_001), RNG.normal(size=5000), 10.0 ** np.arange(-30, 1)])
    x = x.astype(backend.dtype)
    # in the widest real there is: float64 itself is a rounding off
    wide = np.tanh(x.astype(np.longdouble)), np.exp(x.astype(np.longdouble)), np.expm1(x.astype(np.longdouble))
    expected = {
        "exp": wide[1],
        "expm1": wide[2],
        "tanh": wide[0],
        "sigmoid": 1 / (1 + np.exp(-x.astype(np.longdouble))),
    }
    given = backend.ops.sigmoid if function == "sigmoid" else getattr(np, function)
    actual, wanted = applied(backend, given, x), expected[function]
    finfo = np.finfo(backend.dtype_name)
    with np.errstate(over="ignore"):
        wanted = np.where(wanted > finfo.max, np.inf, wanted)
    finite = np.isfinite(wanted) & (np.abs(x) < np.log(finfo.max) - 0.5)
    np.testing.assert_allclose(
        actual[finite], wanted[finite].astype(backend.dtype), rtol=4 * finfo.eps, atol=2 * finfo.tiny
    )
    assert (actual[~np.isfinite(wanted) & (x > np.log(finfo.max) + 0.1)] == np.inf).all()
    assert not np.isnan(actual).any()


@on_numpy
def test_what_is_not_finite_is_seen(backend: Backend) -> None:
    """A divergence has to come out of every kernel it goes into."""
    x = np.asarray([[np.nan, 1.0, np.inf, -np.inf]])
    with np.errstate(invalid="ignore"):
        for function in (np.negative, np.exp, np.expm1, np.tanh):
            np.testing.assert_allclose(applied(backend, function, x), function(x), rtol=1e-6)
        sigmoids = applied(backend, backend.ops.sigmoid, x)
        np.testing.assert_allclose(sigmoids, [[np.nan, 1 / (1 + np.exp(-1.0)), 1.0, 0.0]], rtol=1e-6, atol=1e-30)
        for other in (x, np.roll(x, 1), np.zeros((1, 4))):
            for function in (np.add, np.subtract, np.multiply, np.maximum):
                np.testing.assert_array_equal(applied(backend, function, x, other), function(x, other))
        assert np.isnan(applied(backend, backend.ops.softmax, [[1.0, np.nan, 2.0]])).all()
        assert np.isnan(applied(backend, backend.ops.softmax, [[np.nan, 1.0]])).all()


@on_numpy
def test_no_division_by_zero_is_an_error(backend: Backend) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_array_equal(
            applied(backend, np.divide, [1.0, -1.0, 0.0], [0.0] * 3), [np.inf, -np.inf, np.nan]
        )


@on_numpy
@pytest.mark.parametrize("batch", [1, 2, 33])
@pytest.mark.parametrize("n_in", [1, 3, 40])
@pytest.mark.parametrize("n_out", [1, 2, 50])
def test_products_and_sums_of_every_shape(n_out: int, n_in: int, batch: int, backend: Any) -> None:
    ops, rate = backend.ops, 0.3

    def step(state: Any, batch: Any, _: Any) -> Any:
        weights, biases = state
        x, delta = batch
        z = ops.affine(x, weights, biases)
        back = ops.multiply_transposed(delta, weights)
        gradient = ops.product_of_factors(x, delta)
        total = ops.xp.sum(delta, axis=-2, keepdims=True)
        plain = x @ weights
        return (ops.subtract_product(weights, x, delta, rate), ops.subtract_sum(biases, delta, rate)), (
            *(z, back, gradient, total, plain),
        )

    shapes = ((n_in, n_out), (1, n_out), (batch, n_in), (batch, n_out))
    w, b, x, d = (RNG.normal(size=shape).astype(backend.dtype) for shape in shapes)
    state, outputs = compiled(backend, step, (w.copy(), b.copy()), (x[None], d[None]))
    wide = [one.astype(float) for one in (w, b, x, d)]
    expected = wide[2] @ wide[0] + wide[1], wide[3] @ wide[0].T, wide[2].T @ wide[3], wide[3].sum(0, keepdims=True)
    for output, wanted in zip(outputs, (*expected, wide[2] @ wide[0]), strict=True):
        assert relative_difference(output[0], wanted) < tolerance(backend, 1e-5, 1e-13)
    for leaf, wanted in zip(state, (wide[0] - rate * expected[2], wide[1] - rate * expected[3]), strict=True):
        assert relative_difference(leaf, wanted) < tolerance(backend, 1e-5, 1e-13)


@on_numpy
@pytest.mark.parametrize("batch", [1, 20])
def test_stacked_products_and_sums_with_a_rate_for_each_run(batch: int, backend: Any) -> None:
    ops = backend.ops

    def step(state: Any, batch: Any, rates: Any) -> Any:
        weights, biases = state
        x, delta = batch
        outputs = ops.affine(x, weights, biases), ops.multiply_transposed(delta, weights), ops.softmax(delta)
        gradient = ops.product_of_factors(x, delta)
        state = ops.subtract_product(weights, x, delta, rates), ops.subtract_sum(biases, delta, rates)
        return state, (*outputs, gradient)

    shapes = ((3, 30, 50), (3, 1, 50), (3, batch, 30), (3, batch, 50))
    host = [RNG.normal(size=shape).astype(backend.dtype) for shape in shapes]
    rates = np.asarray([0.1, 0.2, 0.7], backend.dtype).reshape(3, 1, 1)
    stacked = compiled(backend, step, (host[0].copy(), host[1].copy()), (host[2][None], host[3][None]), rates)
    for run, rate in enumerate(rates.ravel()):
        w, b, x, d = (one[run].copy() for one in host)
        alone = compiled(backend, step, (w, b), (x[None], d[None]), float(rate))
        for one, other in zip(stacked[0], alone[0], strict=True):
            np.testing.assert_array_equal(one[run], other)
        for one, other in zip(stacked[1], alone[1], strict=True):
            np.testing.assert_array_equal(one[0, run], other[0])
        expected = host[0][run] - rate * (host[2][run].T @ host[3][run])
        assert relative_difference(w, expected) < tolerance(backend, 1e-5, 1e-13)
        assert relative_difference(b, host[1][run] - rate * host[3][run].sum(0)) < tolerance(backend, 1e-5, 1e-13)


@on_numpy
@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (33, 1), (33, 10)], ids=str)
def test_softmax_and_the_sigmoids_derivative(shape: tuple[int, int], backend: Backend) -> None:
    x, y = 5 * RNG.normal(size=shape), RNG.uniform(size=shape)
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    accuracy = tolerance(backend, 1e-6, 1e-14)
    assert (
        relative_difference(applied(backend, backend.ops.softmax, x), exponentials / exponentials.sum(-1)[:, None])
        < accuracy
    )
    assert relative_difference(applied(backend, backend.ops.sigmoid_backward, x, y), x * y * (1 - y)) < accuracy
    extreme = 1e30 * np.sign(x)
    assert np.isfinite(applied(backend, backend.ops.softmax, extreme)).all()


@on_numpy
def test_the_derivative_of_relu(backend: Backend) -> None:
    x, upstream = RNG.normal(size=(2, 9, 30))
    x[0, :3] = 0.0, -0.0, np.nan

    def step(x: Any, upstream: Any) -> Any:
        upstream *= backend.xp.astype(x > 0, upstream.dtype)
        return upstream

    np.testing.assert_array_equal(applied(backend, step, x, upstream), (upstream * (x > 0)).astype(backend.dtype))


@on_numpy
def test_rows_are_taken_and_none_that_is_not_there(backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        return state, (backend.xp.take(state[0], batch[0], axis=-2),)

    table = RNG.normal(size=(6, 5)).astype(backend.dtype)
    rows = np.asarray([[0, 5, 5], [3, 2, 1]])
    _, (taken,) = compiled(backend, step, (table,), (rows,))
    np.testing.assert_array_equal(taken, table[rows])
    for wrong in (6, -1, 2**62):
        with pytest.raises(IndexError, match="not there"):
            compiled(backend, step, (table,), (np.asarray([[0, 1, wrong]]),))


# Whole programs: what a step does is done in its order, on memory that is used again and again.

SHAPES_OF_PROGRAMS = [(4, 4), (3, 4, 4), (40, 40), (2, 40, 40)]
"""Alone and stacked; so large that elementwise instructions go on together, block by block."""

OPERATIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "add": (2, lambda x, y: x + y),
    "subtract in place": (2, lambda x, y: x.__isub__(y)),
    "multiply by a number": (1, lambda x: 0.5 * x),
    "halve in place": (1, lambda x: x.__imul__(0.5)),
    "bound": (1, lambda x: np.tanh(x)),
    "bound in place": (1, lambda x: np.tanh(x, out=x)),
    "product": (2, lambda x, y: x @ y),
    "product with the transpose": (2, lambda x, y: x @ y.mT),
    "product of the transpose": (2, lambda x, y: x.mT @ y),
    "sum": (2, lambda x, y: x - np.sum(y, axis=-2, keepdims=True)),
    "a scalar": (2, lambda x, y: x + np.sum(np.sum(y, axis=-2, keepdims=True).mT, axis=-2, keepdims=True)),
    "positive": (1, lambda x: np.maximum(x, np.zeros_like(x))),
}

operations = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=25
)


def step_of(lines: Sequence[tuple[str, int, int]], put_out: int) -> Callable[..., Any]:
    """A step that carries operations out, each on two of the arrays that there are so far."""

    def step(state: Any, batch: Any, _: Any) -> Any:
        arrays = [*state, *batch]
        for name, first, second in lines:
            count, function = OPERATIONS[name]
            operands = [arrays[number % len(arrays)] for number in (first, second)][:count]
            arrays.append(function(*operands))
        # fresh ones: two parts of the state may not be one array
        return tuple(0.1 * np.tanh(array) for array in arrays[-2:]), (arrays[-1] + 0, arrays[put_out % len(arrays)] + 0)

    return step


@settings(max_examples=200)
@given(operations, st.integers(0, 99), st.sampled_from(SHAPES_OF_PROGRAMS), st.sampled_from(["float32", "float64"]))
def test_any_program_is_what_its_step_says(
    lines: list[tuple[str, int, int]], put_out: int, shape: tuple[int, ...], dtype: str
) -> None:
    backend: Any = resolve("numpy", dtype=dtype).backend
    rng = np.random.default_rng(len(lines))
    state = tuple(rng.normal(scale=0.3, size=(2, *shape)).astype(dtype))
    batches = tuple(rng.normal(scale=0.3, size=(2, STEPS, *shape)).astype(dtype))
    step = step_of(lines, put_out)
    copies = tuple(map(np.copy, state)), tuple(map(np.copy, batches))
    expected = Plain.scan(backend, step, *copies, None)
    actual = compiled(backend, step, state, batches)
    for one, other in zip((*actual[0], *actual[1]), (*expected[0], *expected[1]), strict=True):
        assert one.shape == other.shape
        assert relative_difference(one, other) < (1e-2 if dtype == "float32" else 1e-9)


@in_float64
@pytest.mark.parametrize("shape", [(2, 3, 1100), (3, 1100), (1, 1100)], ids=str)
def test_long_rows_that_are_broadcast_are_not_taken_together(shape: tuple[int, ...], backend: Any) -> None:
    def step(x: Any, row: Any, number: Any) -> Any:
        y = (x + row) * row
        y -= row
        y *= 0.5
        y /= number
        return y

    x, row, number = (RNG.uniform(1, 2, size=one) for one in (shape, (*shape[:-2], 1, 1100), (1, 1)))
    np.testing.assert_allclose(applied(backend, step, x, row, number), ((x + row) * row - row) * 0.5 / number)


@in_float64
def test_the_state_is_written_over_and_given_back(backend: Any) -> None:
    state = {"one": np.ones((2, 2)), "two": np.zeros((1, 2))}

    def step(state: Any, batch: Any, _: Any) -> Any:
        one, two = state
        one *= batch[0]
        return [one, two + 1.0], (one,)

    after, (outputs,) = compiled(backend, step, [state["one"], state["two"]], (np.full((STEPS, 2, 2), 2.0),))
    assert after[0] is state["one"]
    assert after[1] is state["two"]
    np.testing.assert_array_equal(after[0], np.full((2, 2), 2.0**STEPS))
    np.testing.assert_array_equal(after[1], [[STEPS, STEPS]])
    np.testing.assert_array_equal(outputs[:, 0, 0], 2.0 ** np.arange(1, STEPS + 1))


@in_float64
def test_an_output_is_kept_before_its_place_is_written_over(backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        return (state[0] + batch[0],), (state[0],)

    _, (before,) = compiled(backend, step, (np.zeros(2),), (np.ones((STEPS, 2)),))
    np.testing.assert_array_equal(before[:, 0], [0.0, 1.0, 2.0])


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
def test_what_cannot_be_traced_is_left_to_python(step: Any, backend: Any) -> None:
    state = (np.ones((2, 2)), np.zeros((2, 2)))
    batches, table = (RNG.uniform(1, 2, size=(STEPS, 2, 2)),), np.ones((2, 2))
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
def test_batches_of_any_layout_are_read_and_left_alone(backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        x = batch[0]
        x *= 2.0
        return (state[0] + x,), (x + 0,)

    values = RNG.normal(size=(STEPS, 2, 3))
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
        return (ops.subtract_sum(state[0], batch[0], 1.0),), (batch[0] + 0,)

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
def test_numbers_among_the_constants_are_followed(backend: Any) -> None:
    def step(state: Any, batch: Any, rate: float) -> Any:
        return (state[0] - rate * batch[0],), (batch[0] + 0,)

    for rate in (0.5, 0.25, 0.5):
        (after,), _ = compiled(backend, step, (np.zeros(2),), (np.ones((STEPS, 2)),), rate)
        np.testing.assert_array_equal(after, -STEPS * rate)


@in_float64
def test_equal_numbers_that_are_not_the_same(backend: Any) -> None:
    for divisor, wanted in ((0.0, np.inf), (-0.0, -np.inf), (np.nan, np.nan), (1, 1.0), (True, 1.0)):
        _, (quotient,) = compiled(
            backend, _divide, (np.zeros(1),), (np.ones((1, 2)),), divisor if divisor is not True else 1.0
        )
        np.testing.assert_array_equal(quotient, [[wanted, wanted]])


def _divide(state: Any, batch: Any, divisor: float) -> Any:
    return state, (batch[0] / divisor,)


@in_float64
def test_the_state_comes_back_in_its_own_containers(backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        state[0].__iadd__(batch[0])
        return state, (batch[0] + 0,)

    for container in (list, tuple):
        after, _ = compiled(backend, step, container([np.zeros(2)]), (np.ones((1, 2)),))
        assert type(after) is container


@in_float64
def test_a_step_may_fold_another(backend: Any) -> None:
    def inner(state: Any, batch: Any, _: Any) -> Any:
        return (state[0] + batch[0],), (batch[0] + 0,)

    def step(state: Any, batch: Any, _: Any) -> Any:
        (total,), _ = backend.scan(inner, (np.zeros(2),), (np.ones((3, 2)),), None)
        return (state[0] + total,), (batch[0] + 0,)

    (after,), _ = backend.scan(step, (np.zeros(2),), (np.ones((1, 2)),), None)
    assert after.tolist() == [3.0, 3.0]


@in_float64
def test_programs_are_kept_within_bounds(backend: Any) -> None:
    def step(state: Any, batch: Any, rate: float) -> Any:
        return (state[0] - rate * batch[0],), (batch[0] + 0,)

    for number in range(250):
        compiled(backend, step, (np.zeros(2),), (np.ones((1, 2)),), float(number))
    assert len(backend._scans._programs[step]) <= 100
    before = len(backend._scans._programs)
    del step
    gc.collect()
    assert len(backend._scans._programs) < before


@in_float64
def test_threads_do_not_disturb_each_other(backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        z = batch[0] @ state[0]
        return (state[0] + 0.01 * np.tanh(z),), (z + 1.0,)

    starts = [RNG.normal(size=(20, 20)) for _ in range(6)]
    batches = (RNG.normal(size=(200, 20, 20)),)
    expected = [Plain.scan(backend, step, (start.copy(),), batches, None)[1][0] for start in starts]
    results: dict[int, Any] = {}

    def work(index: int) -> None:
        results[index] = compiled(backend, step, (starts[index].copy(),), batches)[1][0]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, wanted in enumerate(expected):
        assert relative_difference(results[index], wanted) < 1e-9


@in_float64
def test_memory_is_used_again(backend: Backend) -> None:
    """A long chain of temporary arrays takes the memory of a few."""

    def step(state: Any, batch: Any, _: Any) -> Any:
        x = batch[0]
        for _ in range(30):
            x = x @ batch[0]
        return state, (x + 0,)

    traced = trace(step, (), (np.ones((8, 8)),), None, np.float64)
    assert program.assemble(traced, 1, np.float64).memory <= 2 * 8 * 8 * 8
    with pytest.raises(NotTraceableError):
        trace(lambda state, batch, _: (state, (np.log(batch[0]),)), (), (np.ones((8, 8)),), None, np.float64)


@pytest.mark.parametrize("problem", [RuntimeError("no locator"), OSError(28, "full"), EOFError()], ids=repr)
def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no place for it, no room, or what is there is damaged."""

    def fails() -> Any:
        raise problem

    def works(*_: Any) -> bool:
        return True

    asked: list[str] = []
    monkeypatch.setattr(kernels, "_ways", lambda name: asked.append(name) or (fails, lambda: works))
    assert kernels.compiled.__wrapped__(np.int64, np.float64) is works
    assert kernels.compiled.__wrapped__(np.int64, np.float32) is works
    assert [name.rpartition("_")[0] for name in asked] == ["execute_float64", "execute_float32"]  # files of their own


@pytest.mark.slow
def test_a_damaged_file_of_numbas_is_no_hindrance(tmp_path: Path) -> None:
    code = (
        "import numpy as np; from xpmlp.backend import resolve\n"
        "b = resolve('numpy').backend\n"
        "x = np.ones((1, 2), 'float32')\n"
        "print(b.scan(lambda s, b, c: ((s[0] + b[0],), (b[0] + 0,)), (x,), (x[None],), None)[0][0])\n"
    )

    def run() -> str:
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    assert run() == "[[2. 2.]]\n"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        os.truncate(path, 5)
    assert run() == "[[2. 2.]]\n"


def test_without_numba_steps_go_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compiling: Any = resolve("numpy").backend
    assert compiling.version.startswith(f"{np.__version__}+numba")
    monkeypatch.setattr("xpmlp.backend.numpy.find_spec", lambda name: None)
    plain: Any = resolve("numpy").backend
    assert plain._scans is None
    assert plain.version == np.__version__
    assert resolve("numpy", fused=False).backend.version == np.__version__
