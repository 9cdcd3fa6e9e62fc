"""Calls of cuBLAS for arrays of any layout, on a stand-in that follows its documentation."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from xpmlp.backend import cublas
from xpmlp.backend.cublas import Cublas, CublasError


class OnDevice(np.ndarray):
    """A NumPy array that tells its address as CuPy's do."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.ctypes.data)


def on_device(array: Any, dtype: str) -> Any:
    return np.array(array, dtype=dtype, order="C").view(OnDevice)


def memory(address: int, count: int, kind: int) -> Any:
    """Numbers at an address."""
    number = "<f4" if kind == 0 else "<f8"
    interface = {"data": (address, False), "shape": (count,), "typestr": number, "version": 3}
    return np.asarray(SimpleNamespace(__array_interface__=interface))


def matrix(address: int, rows: int, columns: int, leading: int, kind: int) -> Any:
    """A column-major matrix at an address."""
    assert leading >= max(rows, 1), "cuBLAS refuses it"
    flat = memory(address, leading * (columns - 1) + rows, kind)
    strides = (flat.itemsize, leading * flat.itemsize)
    return np.lib.stride_tricks.as_strided(flat, (rows, columns), strides, writeable=True)


def gemm_strided_batched(
    handle: int, a_order: int, b_order: int, m: int, n: int, k: int, alpha: Any,
    a: int, a_kind: int, lda: int, a_run: int, b: int, b_kind: int, ldb: int, b_run: int, beta: Any,
    c: int, c_kind: int, ldc: int, c_run: int, runs: int, compute: int, algorithm: int,
) -> int:  # fmt: skip
    """``cublasGemmStridedBatchedEx``: ``C = alpha op(A) op(B) + beta C``, column-major, ``op(A)`` m x k."""
    size = 4 if c_kind == 0 else 8
    for run in range(runs):
        left = matrix(a + run * a_run * size, *((k, m) if a_order else (m, k)), lda, a_kind)
        right = matrix(b + run * b_run * size, *((n, k) if b_order else (k, n)), ldb, b_kind)
        out = matrix(c + run * c_run * size, m, n, ldc, c_kind)
        product = (left.T if a_order else left) @ (right.T if b_order else right)
        factor, scale = (_number(one, c_kind) for one in (alpha, beta))
        out[...] = factor * product + (scale * out if scale else 0.0)
    return 0


def _number(pointer: Any, kind: int) -> float:
    """A number on the host, or in the GPU's memory."""
    return float(pointer._obj.value) if hasattr(pointer, "_obj") else float(memory(pointer.value, 1, kind)[0])


@pytest.fixture
def blas(monkeypatch: pytest.MonkeyPatch) -> Cublas:
    made = object.__new__(Cublas)
    made._cupy = SimpleNamespace(
        ascontiguousarray=lambda array: np.ascontiguousarray(array).view(OnDevice),
        ones=lambda count, dtype: np.ones(count, dtype).view(OnDevice),
    )
    made._library = SimpleNamespace(cublasSetPointerMode_v2=lambda handle, mode: made.modes.append(mode) or 0)
    made.modes = []  # type: ignore[attr-defined]
    made._gemm = gemm_strided_batched
    made._compute = cublas._IN_FULL
    made._threads = threading.local()
    monkeypatch.setattr(made, "_handle", lambda: 0)
    return made


def every_layout(array: Any, dtype: str) -> list[Any]:
    """The same numbers row-major, column-major, as a part of wider rows, and as every other number."""
    rows = on_device(array, dtype)
    columns = on_device(np.swapaxes(array, -1, -2), dtype).swapaxes(-1, -2)
    wider = on_device(np.concatenate([array, array], axis=-1), dtype)[..., : array.shape[-1]]
    every_other = on_device(np.repeat(array, 2, axis=-1), dtype)[..., ::2]
    return [rows, columns, wider, every_other]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("runs", [(), (1,), (3,)], ids=str)
@pytest.mark.parametrize("shape", [(4, 5, 3), (1, 5, 3), (4, 1, 3), (4, 5, 1), (1, 1, 1), (1, 1, 4)], ids=str)
def test_layouts(shape: tuple[int, int, int], runs: tuple[int, ...], dtype: str, blas: Cublas) -> None:
    m, k, n = shape
    rng = np.random.default_rng([m, k, n, *runs])
    left, right, before = rng.normal(size=(*runs, m, k)), rng.normal(size=(*runs, k, n)), rng.normal(size=(*runs, m, n))
    for a in every_layout(left, dtype):
        for b in every_layout(right, dtype):
            out = on_device(before, dtype)
            assert blas.product(a, b, out, alpha=-0.5, beta=1.0) is out
            np.testing.assert_allclose(out, before - 0.5 * (left @ right), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_factor_in_the_gpus_memory(dtype: str, blas: Any) -> None:
    rng = np.random.default_rng(0)
    a, b, before = rng.normal(size=(4, 5)), rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    for factor in (-0.5, -0.25):
        out = on_device(before, dtype)
        blas.product(on_device(a, dtype), on_device(b, dtype), out, on_device([[factor]], dtype), 1.0)
        np.testing.assert_allclose(out, before + factor * (a @ b), rtol=0, atol=1e-5)
    assert blas.modes == [1, 0, 1, 0]  # products without one read their factors from the host
    with pytest.raises(ValueError, match="a product of"):
        blas.product(on_device(a, dtype), on_device(b, dtype), out, on_device([[1]], "int64"), 1.0)


def test_one_operand_for_all_runs(blas: Cublas) -> None:
    rng = np.random.default_rng(0)
    ones, delta = np.ones((1, 4)), rng.normal(size=(3, 4, 5))
    shared = np.broadcast_to(on_device(ones, "float64"), (3, 1, 4), subok=True)
    out = blas.product(shared, on_device(delta, "float64"), on_device(np.zeros((3, 1, 5)), "float64"))
    np.testing.assert_allclose(out, delta.sum(axis=1, keepdims=True), rtol=0, atol=1e-14)


def test_a_product_of_zero_forgets_what_was_there(blas: Cublas) -> None:
    out = on_device(np.full((2, 2), np.nan), "float32")
    eye = on_device(np.eye(2), "float32")
    assert blas.product(eye, eye, out).tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(("status", "error"), [(3, MemoryError), (7, CublasError)])
def test_a_refusal_is_an_error(status: int, error: type[Exception], blas: Cublas) -> None:
    blas._gemm = lambda *_: status
    eye = on_device(np.eye(2), "float32")
    with pytest.raises(error, match="cublasGemmStridedBatchedEx"):
        blas.product(eye, eye, eye.copy())


def test_what_cublas_would_misread_is_refused(blas: Cublas) -> None:
    eye, stack = on_device(np.eye(2), "float32"), on_device(np.ones((3, 2, 2)), "float32")
    with pytest.raises(ValueError, match=r"float32 .* into float64"):
        blas.product(eye, eye, on_device(np.eye(2), "float64"))
    with pytest.raises(ValueError, match=r"2-D.*3-D"):
        blas.product(eye, stack, stack.copy())
    with pytest.raises(ValueError, match="row-major"):
        blas.product(eye, eye, on_device(np.eye(2, 3), "float32").T[:2])
