"""In-place layer updates by BLAS, which adds the scaled product of a layer's factors to the weights as it forms it.

NumPy multiplies with a BLAS but has no product that adds to an existing array, so the library is called directly: for
large updates NumPy's own, through ctypes, with as many threads as its products have; for small ones SciPy's, on one
thread, since its wrapper takes a third of the time of ctypes.  Only the array written to has to be row-major.

NumPy's and SciPy's wheels each bring a BLAS with its own pool of threads.  After a product the threads of one keep
polling for work for milliseconds and keep the other's off the cores: if both are threaded, a step takes a thousand
times as long.  So only NumPy's has threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy
from scipy.linalg import blas
from threadpoolctl import ThreadpoolController

from xpmlp._typing import Array
from xpmlp.backend.process_setting import ProcessSetting
from xpmlp.backend.threads import BLAS, BOUND, set_threads
from xpmlp.nn import Ops

SMALL = 500_000
"""Number of multiply-adds up to which a product takes as long on one thread as on several."""

_ROW_MAJOR, _NO, _TRANSPOSED = 101, 111, 112
_REALS: dict[str, Any] = {"float32": ctypes.c_float, "float64": ctypes.c_double}
_LETTERS = {"float32": "s", "float64": "d"}
_SYMBOLS: list[tuple[str, Any]] = [
    ("scipy_cblas_{}gemm64_", np.int64),
    ("scipy_cblas_{}gemm", np.intc),
    ("cblas_{}gemm64_", np.int64),
    ("cblas_{}gemm_64", np.int64),
    ("cblas_{}gemm", np.intc),
]
"""Symbols of the product in builds of OpenBLAS and MKL, each with the type of its sizes."""


class Product(NamedTuple):
    """Product of row-major matrices in NumPy's BLAS library.

    Attributes
    ----------
    function : (order, transposed, transposed, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc) -> None
        ``cblas_sgemm`` or ``cblas_dgemm``.
    integer : type
        NumPy type of its sizes.
    unpacked : int
        Number of multiply-adds up to which it has faster kernels that read matrices in place: larger products take less
        time in pieces; 0 if it has none.
    """

    function: Any
    integer: Any
    unpacked: int = 0

    @property
    def address(self) -> int:
        """Address of the product's code."""
        return int(ctypes.cast(self.function, ctypes.c_void_p).value or 0)


class Blas(NamedTuple):
    """BLAS products of one dtype that add to an existing array.

    Attributes
    ----------
    dtype : dtype
    product : Product, optional
        NumPy's.
    gemm, gemv : functions
        SciPy's products of matrices, and of a matrix and a vector.
    """

    dtype: Any
    product: Product | None
    gemm: Callable[..., Any]
    gemv: Callable[..., Any]


def with_blas(ops: Ops, dtype_name: str) -> Ops:
    """Return ``ops`` with the updates of NumPy arrays of this dtype done in place by BLAS."""
    gemm, gemv = {"float32": (blas.sgemm, blas.sgemv), "float64": (blas.dgemm, blas.dgemv)}[dtype_name]
    found = Blas(np.dtype(dtype_name), numpys_product(dtype_name), gemm, gemv)
    return ops._replace(add_product=partial(_add_product, found), add_sum=partial(_add_sum, found))


def _add_product(blas: Blas, weights: Array, activation: Array, delta: Array, scale: Array) -> Array:
    """Update the weights with one BLAS call for each run, without a temporary for the product."""
    if weights.ndim > 2:
        for run, factor in enumerate(_by_run(scale, len(weights))):
            _add_product_of_one(blas, weights[run], activation[run], delta[run], factor)
        return weights
    return _add_product_of_one(blas, weights, activation, delta, scale.item())


def _add_product_of_one(blas: Blas, weights: Array, activation: Array, delta: Array, factor: float) -> Array:
    if not (weights.flags.c_contiguous and weights.dtype == blas.dtype):  # BLAS would update a copy
        weights += factor * (activation.T @ delta)
    elif weights.size * len(delta) <= SMALL or len(delta) == 1:
        # BLAS is column-major: to it a row-major array is the transpose of itself
        blas.gemm(factor, delta.T, activation.T, beta=1.0, c=weights.T, trans_b=1, overwrite_c=1)
    elif blas.product is not None:
        add_product(blas.product, weights, activation, delta, factor)
    else:
        product = activation.T @ delta
        product *= factor
        weights += product
    return weights


def _add_sum(blas: Blas, biases: Array, delta: Array, scale: Array) -> Array:
    """Add the sum over the batch to the biases, as a product with ones that BLAS accumulates."""
    batch = delta.shape[-2]
    if batch == 1:
        biases += scale * delta
    elif not (biases.flags.c_contiguous and biases.dtype == blas.dtype):  # BLAS would update a copy
        biases += scale * np.add.reduce(delta, axis=-2, keepdims=True)
    elif biases.ndim > 2:
        for run, factor in enumerate(_by_run(scale, len(biases))):
            _add_sum_of_one(blas, biases[run, 0], delta[run], factor)
    else:
        _add_sum_of_one(blas, biases[0], delta, scale.item())
    return biases


def _add_sum_of_one(blas: Blas, biases: Array, delta: Array, factor: float) -> None:
    blas.gemv(factor, delta.T, _ones(len(delta), blas.dtype), beta=1.0, y=biases, overwrite_y=1)


def _by_run(scale: Array, runs: int) -> list[float]:
    """Return the scale of each run."""
    return [scale.item()] * runs if scale.size == 1 else scale.ravel().tolist()


@functools.lru_cache(maxsize=8)
def _ones(length: int, dtype: Any) -> Array:
    return np.ones(length, dtype)


@functools.cache
def numpys_product(dtype_name: str) -> Product | None:
    """Find the product in NumPy's BLAS; ``None`` if it has none under a known name, or one with wrong results."""
    for path in _numpys_libraries():
        library = ctypes.CDLL(path)
        for name, integer in _SYMBOLS:
            function = getattr(library, name.format(_LETTERS[dtype_name]), None)
            if function is not None:
                size, real, pointer = np.ctypeslib.as_ctypes_type(integer), _REALS[dtype_name], ctypes.c_void_p
                function.restype = None
                function.argtypes = [
                    *[ctypes.c_int] * 3,
                    *[size] * 3,
                    *[real, pointer, size, pointer, size],
                    *[real, pointer, size],
                ]
                product = Product(function, integer, _unpacked(path))
                return product if _is_right(product, np.dtype(dtype_name)) else None
    return None


UNPACKED = 1_000_000
"""OpenBLAS's limit for small matrices, from its ``kernel/x86_64/sgemm_small_kernel_permit_skylakex.c``."""


def _unpacked(path: str) -> int:
    """Return `UNPACKED` for an OpenBLAS on AVX-512, by which pieces take 10 to 25% less time; 0 for anything else."""
    library = next((one for one in _controllers() if one.filepath == path), None)
    is_known = getattr(library, "architecture", None) in ("SkylakeX", "Cooperlake", "SapphireRapids")
    return UNPACKED if is_known and library is not None and library.internal_api == "openblas" else 0


def add_product(product: Product, weights: Array, activation: Array, delta: Array, factor: float) -> None:
    """Compute ``weights += factor * activation.T @ delta`` in place, for row-major weights."""
    activation, delta = np.ascontiguousarray(activation), np.ascontiguousarray(delta)
    (batch, n_in), n_out = activation.shape, delta.shape[1]
    if weights.shape != (n_in, n_out) or len(delta) != batch:
        raise ValueError(f"{activation.shape} and {delta.shape} are no factors of {weights.shape}")
    x, d = (address(activation), n_in), (address(delta), n_out)
    sizes = (n_in, n_out, batch)
    product.function(_ROW_MAJOR, _TRANSPOSED, _NO, *sizes, factor, *x, *d, 1.0, address(weights), n_out)


def _is_right(product: Product, dtype: Any) -> bool:
    """Check a product found by name on small integers, whose results must be exact."""
    weights, activation, delta = (np.arange(n * m, dtype=dtype).reshape(n, m) for n, m in ((5, 3), (4, 5), (4, 3)))
    expected = weights - 2 * activation.T @ delta
    add_product(product, weights, activation, delta, -2.0)
    return bool((weights == expected).all())


def address(array: Array) -> int:
    """Return the address of a row-major array's first element; NumPy's own attributes take three times as long."""
    if not array.flags.writeable:
        return int(array.ctypes.data)
    return ctypes.addressof(ctypes.c_char.from_buffer(array))


@contextlib.contextmanager
def threads_for(batch_size: int, threads: int | None) -> Iterator[int]:
    """Set the threads of NumPy's BLAS for products of batches of this size, and limit every other BLAS to one.

    Parameters
    ----------
    batch_size : int
        One thread for every 16 examples: with less work a thread costs more than it saves.
    threads : int, optional
        The maximum; if not given, the number that the environment gives BLAS, by default the cores available to this
        process.

    Yields
    ------
    most : int
        The maximum for products of any size.
    """
    with BLAS.borrowed() as before:
        ours = _numpys_libraries()
        number = max((number for library, number in before if library.filepath in ours), default=1)
        most = threads or min(number, BOUND.get() or number)
        THREADS.set(max(1, min(most, batch_size // 16)))
        for library, _ in before:
            if library.filepath not in ours:
                set_threads(library, 1)
        yield most


class Threads(ProcessSetting):
    """Number of threads of NumPy's products, which several Python threads can hold at one for a while."""

    def __init__(self) -> None:
        super().__init__(_numpys_threads, _set_numpys_threads)

    @property
    def number(self) -> int:
        """Number of threads while nobody holds it at one; 1 if NumPy's library is unknown."""
        return int(self.before)

    def set(self, number: int) -> None:
        """Set the number of threads for when nobody holds it at one."""
        with self._lock:
            self._before = number
            if not self._borrowers:
                self._write(number)

    @contextlib.contextmanager
    def held_to_one(self) -> Iterator[None]:
        """Hold the number of threads at one; any number of Python threads may do so at the same time."""
        with self.borrowed():
            self._write(1)
            yield


def _numpys_threads() -> int:
    return max((library.num_threads for library in _controllers()), default=1)


def _set_numpys_threads(number: int) -> None:
    for library in _controllers():
        set_threads(library, number)


THREADS = Threads()
"""The only instance, since a process has one NumPy library."""


@functools.cache
def _controllers() -> list[Any]:
    """Return threadpoolctl's controllers of NumPy's libraries; cached, since finding them takes milliseconds."""
    ours = _numpys_libraries()
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library for library in found if library.filepath in ours]


@functools.cache
def _numpys_libraries() -> list[str]:
    """Return the paths of NumPy's BLAS: its wheel's, or the only one loaded if not SciPy's; empty if unknown."""
    paths = [library.filepath for library in ThreadpoolController().select(user_api="blas").lib_controllers]
    own = [path for path in paths if _belongs_to(np, path)]
    return own or [path for path in paths if len(paths) == 1 and not _belongs_to(scipy, path)]


def _belongs_to(package: Any, path: str) -> bool:
    """Whether a library came with a package: in its folder, or in ``<package>.libs`` beside it."""
    folder = Path(package.__file__).parent
    return Path(path).is_relative_to(folder) or Path(path).parent.name == f"{folder.name}.libs"
