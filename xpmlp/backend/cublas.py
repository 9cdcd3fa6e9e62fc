"""Products by cuBLAS into existing CuPy arrays: one launch each, which a CUDA graph may record.

CuPy's own products refuse to be recorded (cupy issue 6290), and spend several times as long in Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from typing import Any

from xpmlp._typing import Array
from xpmlp.errors import BackendError

WORKSPACE_BYTES = 32 * 2**20
"""Workspace that cuBLAS asks for on Hopper, more than elsewhere.  Without an array of ours it would allocate one."""

_NO, _TRANSPOSED = 0, 1
_TYPES = {"float32": (ctypes.c_float, 0), "float64": (ctypes.c_double, 1)}  # CUDA_R_32F, CUDA_R_64F
_IN_FULL = {"float32": 68, "float64": 70}  # CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F
_IN_TF32 = 77  # CUBLAS_COMPUTE_32F_FAST_TF32
_DEFAULT_ALGORITHM = -1
_ON_HOST, _ON_DEVICE = 0, 1  # CUBLAS_POINTER_MODE_HOST, CUBLAS_POINTER_MODE_DEVICE
_NO_MEMORY = 3  # CUBLAS_STATUS_ALLOC_FAILED

_GEMM_ARGUMENTS: list[Any] = [
    *[ctypes.c_void_p, *[ctypes.c_int] * 5, ctypes.c_void_p],
    *[ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_longlong] * 2,
    *[ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_longlong],
    *[ctypes.c_int] * 3,
]
"""Argument types of ``cublasGemmStridedBatchedEx``."""


class CublasError(RuntimeError):
    """A failed call of cuBLAS."""


class Cublas:
    """Products on one device; each thread has a handle of its own.

    Parameters
    ----------
    cupy : module
    tf32 : bool
        Whether float32 products are computed in TensorFloat-32.

    Raises
    ------
    BackendError
        If the library is not found.
    """

    def __init__(self, cupy: Any, *, tf32: bool) -> None:
        self._cupy = cupy
        try:
            from cupy_backends.cuda.libs import cublas

            self._library = _library(cublas.__file__)
            self._gemm = self._library.cublasGemmStridedBatchedEx
        except (ImportError, OSError, AttributeError) as error:
            raise BackendError(f"CuPy's cuBLAS cannot be called here ({error}): set backend.fused = false.") from error
        self._gemm.argtypes = _GEMM_ARGUMENTS
        self._compute = dict(_IN_FULL, float32=_IN_TF32) if tf32 else _IN_FULL
        self._threads = threading.local()

    def product(self, a: Array, b: Array, out: Array, alpha: Any = 1.0, beta: float = 0.0) -> Array:
        """Compute ``alpha * a @ b + beta * out`` into ``out``.

        Parameters
        ----------
        a : ([runs,] m, k)
        b : ([runs,] k, n)
            Either may be a transposed array.
        out : ([runs,] m, n)
            Row-major, and none of the operands.
        alpha : float or an array of one number
            An array of the same dtype is read on the GPU, with each replay of a recording; ``beta`` is 1 then.
        beta : float

        Returns
        -------
        out : ([runs,] m, n)
            The given array.

        Raises
        ------
        ValueError
            If dtypes (an array ``alpha`` included) or numbers of axes differ, or ``out`` is not row-major: cuBLAS would
            write outside it.
        MemoryError, CublasError
            If the call fails.
        """
        if not (a.ndim == b.ndim == out.ndim and a.dtype == b.dtype == getattr(alpha, "dtype", a.dtype) == out.dtype):
            raise ValueError(
                f"a product of {a.dtype} ({a.ndim}-D) and {b.dtype} ({b.ndim}-D) into {out.dtype} ({out.ndim}-D)"
            )
        if not out.flags.c_contiguous:
            raise ValueError("a product goes into a row-major array")
        *_, rows, width = out.shape
        name = out.dtype.name
        number, kind = _TYPES[name]
        # cuBLAS is column-major: to it, these are the transposed arrays, so that out.T = b.T @ a.T is what it is told
        (a, a_order, a_row, a_run), (b, b_order, b_row, b_run) = self._operand(a), self._operand(b)
        size = out.dtype.itemsize
        handle, on_host = self._handle(), isinstance(alpha, float)
        scales: list[Any]
        if on_host:
            scales = [ctypes.byref(number(alpha)), ctypes.byref(number(beta))]
        else:
            scales = [ctypes.c_void_p(alpha.data.ptr), ctypes.c_void_p(self._one(out.dtype).data.ptr)]
            self._check("cublasSetPointerMode_v2", ctypes.c_void_p(handle), _ON_DEVICE)
        status = self._gemm(
            *(handle, b_order, a_order, width, rows, a.shape[-1], scales[0]),
            *(b.data.ptr, kind, b_row, b_run, a.data.ptr, kind, a_row, a_run, scales[1]),
            *(out.data.ptr, kind, max(width, 1), out.strides[0] // size if out.ndim == 3 else 0),
            *(out.shape[0] if out.ndim == 3 else 1, self._compute[name], _DEFAULT_ALGORITHM),
        )
        if not on_host:
            self._check("cublasSetPointerMode_v2", ctypes.c_void_p(handle), _ON_HOST)
        _raise_for(status, "cublasGemmStridedBatchedEx")
        return out

    def _one(self, dtype: Any) -> Array:
        """Return the number 1 on the GPU, one array for each thread and dtype."""
        made = self._threads.__dict__.setdefault("ones", {})
        if dtype not in made:
            made[dtype] = self._cupy.ones(1, dtype)
        return made[dtype]

    def _operand(self, array: Array) -> tuple[Array, int, int, int]:
        """Return an array with its order for cuBLAS and its row and run strides, in elements."""
        size = array.dtype.itemsize
        for _ in range(2):
            *outer, row, column = array.strides
            *_, rows, columns = array.shape
            run = outer[0] // size if outer else 0
            if (column == size or columns == 1) and row >= columns * size:
                return array, _NO, row // size, run
            if (row == size or rows == 1) and column >= rows * size:
                return array, _TRANSPOSED, column // size, run
            array = self._cupy.ascontiguousarray(array)
        return array, _NO, max(array.shape[-1], 1), array.shape[-1] * array.shape[-2]  # a single row, or none

    def _handle(self) -> int:
        """Return the handle of the calling thread, on the current stream."""
        threads = self._threads
        stream = self._cupy.cuda.get_current_stream().ptr
        if getattr(threads, "stream", None) != stream:
            if not hasattr(threads, "handle"):
                created = ctypes.c_void_p()
                self._check("cublasCreate_v2", ctypes.byref(created))
                threads.handle = created.value
            handle, threads.workspace = ctypes.c_void_p(threads.handle), self._cupy.empty(WORKSPACE_BYTES, "uint8")
            self._check("cublasSetStream_v2", handle, ctypes.c_void_p(stream))
            workspace = ctypes.c_void_p(threads.workspace.data.ptr)
            self._check("cublasSetWorkspace_v2", handle, workspace, ctypes.c_size_t(WORKSPACE_BYTES))
            threads.stream = stream
        found: int = threads.handle
        return found

    def _check(self, name: str, *arguments: Any) -> None:
        _raise_for(getattr(self._library, name)(*arguments), name)

    def release(self) -> None:
        """Release the calling thread's handle and workspace."""
        threads = self._threads
        if hasattr(threads, "handle"):
            self._check("cublasDestroy_v2", ctypes.c_void_p(threads.handle))
            threads.__dict__.clear()


def _library(module: str) -> ctypes.CDLL:
    """Load the cuBLAS that CuPy's module is linked to: through the module, except on Windows."""
    if os.name != "nt":
        return ctypes.CDLL(module)
    for version in (13, 12):
        with contextlib.suppress(OSError):
            return ctypes.CDLL(f"cublas64_{version}.dll")
    raise OSError("no cublas64_13.dll or cublas64_12.dll")


def _raise_for(status: int, name: str) -> None:
    if status == _NO_MEMORY:
        raise MemoryError(f"{name} found no memory")
    if status:
        raise CublasError(f"{name} gave status {status}")
