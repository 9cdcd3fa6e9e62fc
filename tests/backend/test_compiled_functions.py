"""Array functions in compiled steps against NumPy: for any shape and strides, with one thread and with several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat.numpy as xp
import numpy as np
import pytest

from tests.backend.compiled_steps import compiled, needs_numba, on_numpy
from tests.helpers import tolerance
from xpmlp.backend import Backend
from xpmlp.nn import pure_ops

pytest.importorskip("numba", reason=needs_numba)

from xpmlp.backend.compiled import division

DEFINITIONS = pure_ops(xp)

X, Y, Z, V = (2, 9, 12), (2, 9, 12), (2, 1, 12), (1, 9, 12)
"""([runs,] batch, n), a row for each run, and one run alone."""
W, C = (2, 12, 5), (2, 9, 3)

FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "logarithm": (lambda x: xp.log(xp.abs(x) + 0.1), (X,)),
    "logarithm in place": (lambda x: np.log(np.abs(x, out=x), out=x), (X,)),
    "log1p": (lambda x: xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(x, xp.zeros_like(x)), (X,)),
    "sine": (lambda x: xp.sin(6 * x), (X,)),
    "cosine": (lambda x: xp.cos(6 * x), (X,)),
    "sign": (xp.sign, (X,)),
    "sign in place": (lambda x: np.sign(x, out=x), (X,)),
    "minimum": (xp.minimum, (X, Y)),
    "minimum of a number": (lambda x: xp.minimum(x, 0.25), (X,)),
    "minimum in place": (lambda x, z: np.minimum(x, z, out=x), (X, Z)),
    "absolute": (xp.abs, (X,)),
    "square": (lambda x: xp.square(x) + x**2 - x**3 + x**5 + xp.abs(x) ** 0.5 + (2 + xp.abs(x)) ** -2, (X,)),
    "reciprocal": (lambda x: np.reciprocal(3 + x) + np.positive(x), (X,)),
    "less": (lambda x, y: xp.astype(x < y, x.dtype), (X, Y)),
    "greater or equal": (lambda x, z: xp.astype(x >= z, x.dtype) - xp.astype(z <= x, x.dtype) + 1, (X, Z)),
    "equal": (lambda x: xp.astype(xp.maximum(x, xp.zeros_like(x)) == x, x.dtype), (X,)),
    "equal to a row": (lambda x, z: xp.astype(x * 0 + z == z, x.dtype) + xp.astype(z == x * 0 + z, x.dtype), (X, Z)),
    "where": (lambda x, y: xp.where(x > y, x, y * 2), (X, Y)),
    "where of numbers": (lambda x, z: xp.where(x > z, 1.0, -xp.ones_like(z)) + 0 * x, (X, Z)),
    "where a row": (lambda x, z: xp.where(z > 0, x, z) + xp.where(z > 0, z, x), (X, Z)),
    "where a column": (lambda x: xp.where(x[..., :1] > 0, x, 0.5) + xp.where(x[..., 2:3] > 0, 2.0, x), (X,)),
    "a truth read again": (lambda x: xp.where(x > 0, xp.astype(x > 0, x.dtype) * 3, x), (X,)),
    "a truth made real twice": (lambda x: _twice(x > 0, x.dtype), (X,)),
    "sum over the last axis": (lambda x: xp.sum(x, axis=-1), (X,)),
    "sum over the batch": (lambda x: xp.sum(x, axis=-2), (X,)),
    "sum over runs": (lambda x: xp.sum(x, axis=0, keepdims=True) * x, (X,)),
    "sum over all": (lambda x: xp.sum(x) * x, (X,)),
    "sum of four axes": (lambda x: xp.sum(xp.reshape(x, (2, 3, 3, 12)), axis=-2), (X,)),
    "sum over two axes": (lambda x: xp.sum(xp.reshape(x, (2, 9, 3, 4)), axis=(-3, -1)), (X,)),
    "mean over the last axis": (lambda x: x - xp.mean(x, axis=-1, keepdims=True), (X,)),
    "mean over members": (lambda x: xp.mean(xp.reshape(x, (2, 3, 3, 12)), axis=1), (X,)),
    "largest": (lambda x: x - xp.max(x, axis=-1, keepdims=True), (X,)),
    "largest of four axes": (lambda x: xp.max(xp.reshape(x, (2, 9, 3, 4)), axis=-1), (X,)),
    "largest of the batch": (lambda x: xp.max(x, axis=-2), (X,)),
    "scalar products of rows": (lambda x, z: xp.vecdot(x, z, axis=-1) + np.vecdot(z, x), (X, Z)),
    "log of softmax": (DEFINITIONS.log_softmax, (X,)),
    "layer normalisation": (
        lambda x: (x - xp.mean(x, axis=-1, keepdims=True)) / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + 1e-5),
        (X,),
    ),
    "reshape": (lambda x: xp.reshape(xp.reshape(x, (2, -1)), (2, 9, 3, 4)) * 2, (X,)),
    "reshape with gaps": (lambda x: xp.reshape(x[..., 1:7], (2, 9, 2, 3)) + 0, (X,)),
    "concat": (lambda x, y: xp.concat([x, y[..., 2:5], xp.zeros_like(x), x * 2], axis=-1), (X, Y)),
    "concat of batches": (lambda x, y: xp.concat([x, y], axis=-2), (X, Y)),
    "slices": (lambda x: x[..., 1:4] + x[:, :, 4:10:2] + x[..., -3:], (X,)),
    "a run": (lambda x: x[1, ...] * x[-1] + x[0], (X,)),
    "a column": (lambda x: x[..., 2] * x[..., 3, None][..., 0], (X,)),
    "new axes": (lambda x, z: x[..., None] * z[:, :, None, :], (X, (2, 1, 4))),
    "squeezed": (lambda x, z: xp.squeeze(xp.expand_dims(x, axis=1), axis=1) + xp.squeeze(z, axis=1)[:, None], (X, Z)),
    "broadcast": (lambda z: xp.exp(xp.broadcast_to(z, (2, 9, 12))), (Z,)),
    "a number repeated along a row": (lambda x: xp.exp(xp.broadcast_to(x[..., :1], (2, 9, 12))), (X,)),
    "the transpose in arithmetic": (lambda x: x[..., :9] + xp.matrix_transpose(x[..., :9]) * 2 - x[..., :9].mT, (X,)),
    "the transpose over itself": (lambda x: _over_itself(x[..., :9] + 0), (X,)),
    "axes in another order": (
        lambda x: xp.permute_dims(x, (0, 2, 1)) + xp.moveaxis(x, 1, 2) - xp.moveaxis(x, -1, 1) * 3,
        (X,),
    ),
    "four axes": (lambda x, y: xp.reshape(x, (2, 9, 3, 4)) * xp.reshape(y, (2, 9, 3, 4))[:, :1] + 1, (X, Y)),
    "four axes and one run": (lambda x, y: xp.reshape(x, (1, 9, 3, 4)) * xp.reshape(y, (1, 9, 3, 4))[:, :1], (V, V)),
    "waves of each feature": (lambda x, w: xp.cos(x[..., None] * w[:, None] + 1), (X, W)),
    "waves of one run": (lambda x, w: xp.cos(x[..., None] * w[:, None] + 1), (V, (1, 12, 5))),
    "middle axes": (lambda x: xp.reshape(xp.moveaxis(xp.reshape(x, (2, 9, 3, 4)), 1, 2), (6, 9, 4)) * 2, (X,)),
    "members": (lambda x, w: (xp.reshape(x, (2, 3, 3, 12)) * w.mT[:, :3, None]) + x[:, :3, None], (X, W)),
}
PRODUCTS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "stacked": (lambda x, w: x @ w, (X, W)),
    "one batch for all runs": (lambda x, w: x @ w, (V, W)),
    "two axes by three": (lambda x, w: x @ w, ((9, 12), W)),
    "one second factor for all": (lambda x, w: xp.reshape(x, (2, 3, 3, 12)) @ w[:, None], (X, W)),
    "by feature": (
        lambda x, w: xp.moveaxis(xp.reshape(x, (2, 9, 3, 4)), -3, -2) @ xp.reshape(w, (2, 3, 4, 5)),
        (X, W),
    ),
    "by feature of one run": (
        lambda x, w: xp.moveaxis(xp.moveaxis(xp.reshape(x, (1, 9, 3, 4)), 1, 2) @ xp.reshape(w, (1, 3, 4, 5)), 2, 1),
        (V, (1, 12, 5)),
    ),
    "stacked twice": (
        lambda x, w: xp.reshape(x, (2, 3, 3, 12)) @ xp.concat([w[:, None], 2 * w[:, None], -w[:, None]], axis=1),
        (X, W),
    ),
    "of slices": (lambda x, w: x[..., 2:7] @ w[:, 3:8, 1:4] + x[..., 1:2] @ w[:, 1:2, 2:], (X, W)),
    "of slices transposed": (lambda x: x[..., 2:7].mT @ x[:, :, 1:9], (X,)),
    "of columns": (lambda x, w: x[:, :, ::2] @ w[:, ::2], (X, W)),
    "a column by a column": (lambda x: x[:, :, 3:4] @ x[:, :, 5:6].mT, (X,)),
    "of rows repeated": (lambda z, w: xp.broadcast_to(z, (2, 9, 12)) @ w, (Z, W)),
}


def _twice(truth: Any, dtype: Any) -> Any:
    once = xp.astype(truth, dtype)
    return once * 5 + xp.astype(truth, dtype)


def _over_itself(x: Any) -> Any:
    return np.add(x, x.mT, out=x)


def results(backend: Any, function: Callable[..., Any], arrays: list[Any], monkeypatch: Any) -> list[Any]:
    """By one, two and three threads, with all divided between them."""
    monkeypatch.setattr(division, "LEAST_WORK", 0)
    monkeypatch.setattr(division, "LEAST_STEP", 1)
    monkeypatch.setattr(division, "LEAST_INSTRUCTION", 0)
    return [
        compiled(
            backend,
            lambda state, batch, _: (state, (function(*batch),)),
            (),
            tuple(array[None].copy() for array in arrays),
            threads=threads,
        )[1][0][0]
        for threads in (1, 2, 3)
    ]


@on_numpy
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, backend: Backend, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    function, shapes = FUNCTIONS[name]
    arrays = [rng.normal(size=shape).astype(backend.dtype) for shape in shapes]
    for one in arrays:
        one.flat[::7] = 0.0
    wanted = function(*(one.copy() for one in arrays))
    found = results(backend, function, arrays, monkeypatch)
    accuracy = tolerance(backend, 5e-6, 1e-13)
    for one in found:
        assert (one.shape, one.dtype) == (wanted.shape, backend.dtype)
        np.testing.assert_allclose(one, wanted, rtol=accuracy, atol=accuracy)
        np.testing.assert_array_equal(one, found[0])  # the same bits, whoever computes


@on_numpy
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str, backend: Backend, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    function, shapes = PRODUCTS[name]
    arrays = [rng.normal(size=shape).astype(backend.dtype) for shape in shapes]
    wanted = function(*arrays)
    for one in results(backend, function, arrays, monkeypatch):
        assert one.shape == wanted.shape
        accuracy = tolerance(backend, 1e-5, 1e-13)
        np.testing.assert_allclose(one, wanted, rtol=accuracy, atol=accuracy)


@on_numpy
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_codes(dtype: str, backend: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Categories are looked up, compared and summed over, in the step, for runs of their own."""
    ops = backend.ops
    table, rows = (rng.normal(size=shape).astype(backend.dtype) for shape in ((2, 7, 16), (2, 9, 16)))
    codes = rng.integers(0, 7, size=(2, 9, 3)).astype(dtype)

    def functions(ops: Any, codes: Any, table: Any, rows: Any) -> Any:
        column = codes[..., 1]
        yield ops.add_rows(table, column, rows)
        yield ops.add_rows(table[0], column[0], rows[0])
        yield xp.take(table, codes[0, :, 2], axis=-2)
        yield xp.take(table[1], codes, axis=0)
        below = xp.concat([codes[..., 2:] + 1, codes[..., :1] - 1], axis=-1)
        yield xp.astype(xp.reshape(below, (2, -1)), table.dtype)
        yield xp.astype(codes[..., None] == xp.arange(7, dtype=codes.dtype), table.dtype)
        yield xp.astype(codes == codes[..., :1], table.dtype) + xp.astype(codes == 3, table.dtype)
        yield xp.astype(codes > 2, table.dtype) * table[:, :1, :3]
        numbers = xp.reshape(codes[..., 0] + 7 * xp.arange(2, dtype=codes.dtype)[:, None], (-1,))
        yield xp.take(xp.reshape(table, (14, 16)), numbers, axis=0)

    wanted = list(functions(DEFINITIONS, codes, table, rows))
    for one, other in zip(wanted[:2], functions(ops, codes, table, rows), strict=False):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)  # NumPy's own
    for number, expected in enumerate(wanted):
        found = results(
            backend, lambda *arrays, n=number: list(functions(ops, *arrays))[n], [codes, table, rows], monkeypatch
        )
        for one in found:
            np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(one, found[0])
    for wrong in (7, -1):
        codes[1, 4, 1] = wrong
        with pytest.raises(IndexError, match="row index out of range"):
            results(backend, lambda *arrays: next(functions(ops, *arrays)), [codes, table, rows], monkeypatch)


@on_numpy
def test_whole_numbers_among_the_constants(backend: Any) -> None:
    """Labels are compared with the classes; what a step finds elsewhere is kept as it is."""
    labels, classes, edges = (
        np.asarray([[0, 2, 1]]),
        np.arange(3, dtype=np.int32),
        np.asarray([[1, 2, 3]], backend.dtype),
    )

    def step(state: Any, batch: Any, constants: Any) -> Any:
        return state, (edges * xp.astype(batch[0][..., None] == constants, edges.dtype),)

    _, (found,) = compiled(backend, step, (), (labels,), classes)
    np.testing.assert_array_equal(found[0], [[1, 0, 0], [0, 0, 3], [0, 2, 0]])


@on_numpy
@pytest.mark.parametrize("name", ["log", "log1p", "sin", "cos"])
def test_accuracy_and_special_numbers(name: str, backend: Backend, rng: np.random.Generator) -> None:
    finfo, function = np.finfo(backend.dtype_name), getattr(np, name)
    if name in ("log", "log1p"):
        x = np.concatenate([10.0 ** np.arange(-30, 30, 0.01), rng.normal(size=5000), 1 + 1e-4 * rng.normal(size=500)])
        x = np.abs(x) if name == "log" else np.maximum(x, -0.999)
        x = np.append(x, [0.0, -1.0, -2.0, np.inf, -np.inf, np.nan, finfo.tiny, finfo.tiny / 8, finfo.max])
        accuracy = {"rtol": 4 * finfo.eps, "atol": finfo.tiny}
    else:
        x = np.concatenate([np.linspace(-1e4, 1e4, 40_001), np.pi / 2 * np.arange(6400), 10.0 ** np.arange(-30, 12)])
        x = np.append(x, [0.0, np.inf, -np.inf, np.nan])
        accuracy = {"rtol": 0, "atol": 1.5 * finfo.eps}
    x = x.astype(backend.dtype)
    with np.errstate(all="ignore"):
        wanted = function(x.astype(np.longdouble))
    batches = (x[None],)
    _, (found,) = compiled(backend, lambda state, batch, _: (state, (function(batch[0]),)), (), batches)
    np.testing.assert_allclose(found[0], wanted.astype(backend.dtype), **accuracy)


@on_numpy
def test_nan_is_treated_as_numpy_does(backend: Any) -> None:
    x, y = np.meshgrid([np.nan, -1.0, 0.0, 1.0, np.inf, -np.inf], [np.nan, 1.0, 0.0, -np.inf])

    def step(state: Any, batch: Any, _: Any) -> Any:
        x, y = batch
        comparisons = (x < y, x <= y, x >= y, x == y)
        return state, (
            *(xp.astype(one, x.dtype) for one in comparisons),
            *(xp.minimum(x, y), xp.sign(x), xp.abs(x), xp.where(x > y, x, y)),
            *(xp.max(x, axis=-1), xp.max(y, axis=-2), xp.sum(x, axis=-1)),
        )

    batch = tuple(one.astype(backend.dtype)[None] for one in (x, y))
    with np.errstate(all="ignore"):
        _, wanted = step((), [one[0] for one in batch], None)
    _, found = compiled(backend, step, (), batch)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one[0], other)
