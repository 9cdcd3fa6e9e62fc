"""Each kernel of compiled steps against NumPy, for every shape and number."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from tests.backend.compiled_steps import applied, compiled, needs_numba, on_numpy
from tests.helpers import relative_difference, tolerance
from xpmlp.backend import Backend

pytest.importorskip("numba", reason=needs_numba)


SHAPES: list[tuple[int, ...]] = [(), (1,), (7,), (1, 1), (1, 40), (33, 40), (33, 1), (2, 33, 40), (2, 1, 1)]
UNARY = [np.negative, np.exp, np.expm1, np.sqrt, np.tanh]
BINARY = [np.add, np.subtract, np.multiply, np.divide, np.maximum]


@on_numpy
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("function", UNARY, ids=lambda function: function.__name__)
def test_functions_of_one_operand(
    function: Any, shape: tuple[int, ...], backend: Backend, rng: np.random.Generator
) -> None:
    x = np.abs(rng.normal(size=shape)) if function is np.sqrt else 3 * rng.normal(size=shape)
    x = x.astype(backend.dtype)
    for actual in (applied(backend, function, x), applied(backend, lambda x: function(x, out=x), x)):
        assert (actual.shape, actual.dtype) == (shape, backend.dtype)
        np.testing.assert_allclose(actual, function(x.astype(float)), rtol=tolerance(backend, 5e-7, 1e-15))


@pytest.mark.slow
@on_numpy
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("function", BINARY, ids=lambda function: function.__name__)
def test_functions_of_two_operands_with_every_broadcasting(
    function: Any, shape: tuple[int, ...], backend: Backend, rng: np.random.Generator
) -> None:
    x = rng.normal(size=shape).astype(backend.dtype)
    pairs: list[tuple[Any, Any]] = []
    for other in SHAPES:
        with contextlib.suppress(ValueError):
            np.broadcast_shapes(shape, other)
            y = rng.normal(size=other).astype(backend.dtype)
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
def test_arithmetic_in_place(backend: Backend, rng: np.random.Generator) -> None:
    def step(x: Any, y: Any, row: Any) -> Any:
        x += y
        x *= row
        x -= 0.5
        x /= y
        np.subtract(1.0, x, out=x)
        np.multiply(y, x, out=x)  # over the second operand
        return x

    x, y, row = (rng.uniform(1, 2, size=shape).astype(backend.dtype) for shape in ((9, 50), (9, 50), (1, 50)))
    actual = applied(backend, step, x, y, row)
    np.testing.assert_allclose(actual, y * (1 - ((x + y) * row - 0.5) / y), rtol=tolerance(backend, 1e-5, 1e-13))


@on_numpy
@pytest.mark.parametrize("function", ["exp", "expm1", "tanh", "sigmoid"])
def test_elementary_functions_over_all_numbers(function: str, backend: Backend, rng: np.random.Generator) -> None:
    """A few roundings from the exact value, for the largest and the smallest numbers, too."""
    limit = tolerance(backend, 100.0, 800.0)
    x = np.concatenate([np.linspace(-limit, limit, 40_001), rng.normal(size=5000), 10.0 ** np.arange(-30, 1)])
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
def test_products_and_sums_of_every_shape(
    n_out: int, n_in: int, batch: int, backend: Any, rng: np.random.Generator
) -> None:
    ops, rate = backend.ops, 0.3

    def step(state: Any, batch: Any, _: Any) -> Any:
        weights, biases = state
        x, delta = batch
        z = ops.affine(x, weights, biases)
        back = ops.multiply_transposed(delta, weights)
        gradient = ops.product_of_factors(x, delta)
        total = ops.xp.sum(delta, axis=-2, keepdims=True)
        plain = x @ weights
        return (ops.add_product(weights, x, delta, -rate), ops.add_sum(biases, delta, -rate)), (
            *(z, back, gradient, total, plain),
        )

    shapes = ((n_in, n_out), (1, n_out), (batch, n_in), (batch, n_out))
    w, b, x, d = (rng.normal(size=shape).astype(backend.dtype) for shape in shapes)
    state, outputs = compiled(backend, step, (w.copy(), b.copy()), (x[None], d[None]))
    wide = [one.astype(float) for one in (w, b, x, d)]
    expected = wide[2] @ wide[0] + wide[1], wide[3] @ wide[0].T, wide[2].T @ wide[3], wide[3].sum(0, keepdims=True)
    for output, wanted in zip(outputs, (*expected, wide[2] @ wide[0]), strict=True):
        assert relative_difference(output[0], wanted) < tolerance(backend, 1e-5, 1e-13)
    for leaf, wanted in zip(state, (wide[0] - rate * expected[2], wide[1] - rate * expected[3]), strict=True):
        assert relative_difference(leaf, wanted) < tolerance(backend, 1e-5, 1e-13)


@on_numpy
@pytest.mark.parametrize("batch", [1, 20])
def test_stacked_products_and_sums_with_a_rate_for_each_run(batch: int, backend: Any, rng: np.random.Generator) -> None:
    ops = backend.ops

    def step(state: Any, batch: Any, scales: Any) -> Any:
        weights, biases = state
        x, delta = batch
        outputs = ops.affine(x, weights, biases), ops.multiply_transposed(delta, weights), ops.softmax(delta)
        gradient = ops.product_of_factors(x, delta)
        state = ops.add_product(weights, x, delta, scales), ops.add_sum(biases, delta, scales)
        return state, (*outputs, gradient)

    shapes = ((3, 30, 50), (3, 1, 50), (3, batch, 30), (3, batch, 50))
    host = [rng.normal(size=shape).astype(backend.dtype) for shape in shapes]
    rates = np.asarray([0.1, 0.2, 0.7], backend.dtype).reshape(3, 1, 1)
    stacked = compiled(backend, step, (host[0].copy(), host[1].copy()), (host[2][None], host[3][None]), -rates)
    for run, rate in enumerate(rates.ravel()):
        w, b, x, d = (one[run].copy() for one in host)
        alone = compiled(backend, step, (w, b), (x[None], d[None]), -float(rate))
        for one, other in zip(stacked[0], alone[0], strict=True):
            np.testing.assert_array_equal(one[run], other)
        for one, other in zip(stacked[1], alone[1], strict=True):
            np.testing.assert_array_equal(one[0, run], other[0])
        expected = host[0][run] - rate * (host[2][run].T @ host[3][run])
        assert relative_difference(w, expected) < tolerance(backend, 1e-5, 1e-13)
        assert relative_difference(b, host[1][run] - rate * host[3][run].sum(0)) < tolerance(backend, 1e-5, 1e-13)


@on_numpy
@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (33, 1), (33, 10)], ids=str)
def test_softmax_and_the_sigmoids_derivative(
    shape: tuple[int, int], backend: Backend, rng: np.random.Generator
) -> None:
    x, y = 5 * rng.normal(size=shape), rng.uniform(size=shape)
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
def test_the_derivative_of_relu(backend: Backend, rng: np.random.Generator) -> None:
    x, upstream = rng.normal(size=(2, 9, 30))
    x[0, :3] = 0.0, -0.0, np.nan

    def step(x: Any, upstream: Any) -> Any:
        upstream *= backend.xp.astype(x > 0, upstream.dtype)
        return upstream

    np.testing.assert_array_equal(applied(backend, step, x, upstream), (upstream * (x > 0)).astype(backend.dtype))


@on_numpy
def test_rows_are_taken_and_none_out_of_range(backend: Any, rng: np.random.Generator) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        return state, (backend.xp.take(state[0], batch[0], axis=-2),)

    table = rng.normal(size=(6, 5)).astype(backend.dtype)
    rows = np.asarray([[0, 5, 5], [3, 2, 1]])
    _, (taken,) = compiled(backend, step, (table,), (rows,))
    np.testing.assert_array_equal(taken, table[rows])
    for wrong in (6, -1, 2**62):
        with pytest.raises(IndexError, match="row index out of range"):
            compiled(backend, step, (table,), (np.asarray([[0, 1, wrong]]),))
