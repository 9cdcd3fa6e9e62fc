"""Matrix products of row-major NumPy arrays by SciPy's BLAS, with what is added to them, and its threads.

BLAS is column-major: to it a row-major array is the transpose of itself, so that ``C += A @ B`` is asked for as
``C.T += B.T @ A.T``, whose operands BLAS takes as they lie in memory.  Only an array that is written to has to be
row-major; SciPy copies other operands that are not.

NumPy's and SciPy's wheels bring a BLAS each, with a pool of threads each.  The threads of one go on looking for work
for milliseconds after each product and keep the cores from those of the other: when both are used threaded, a step
takes a thousand times as long.  So all products of a step go through SciPy's, and NumPy's is held to one thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from scipy.linalg import blas
from threadpoolctl import ThreadpoolController

from xpmlp._typing import Array
from xpmlp.nn import Ops


def with_blas(ops: Ops, dtype_name: str) -> Ops:
    """``ops`` with the matrix products of NumPy arrays of this dtype replaced by SciPy's."""
    gemm, gemv = {"float32": (blas.sgemm, blas.sgemv), "float64": (blas.dgemm, blas.dgemv)}[dtype_name]
    dtype = np.dtype(dtype_name)
    return ops._replace(
        affine=partial(_affine, gemm, dtype),
        multiply_transposed=partial(_multiply_transposed, gemm, dtype),
        product_of_factors=partial(_product_of_factors, gemm, dtype),
        subtract_product=partial(_subtract_product, gemm, dtype),
        subtract_sum=partial(_subtract_sum, gemv, dtype),
    )


def _affine(gemm: Callable[..., Any], dtype: Any, x: Array, weights: Array, biases: Array) -> Array:
    if x.shape[-2] == 1:  # a vector times a matrix is bound by memory, whoever computes it
        result = x @ weights
        result += biases
        return result
    result = np.empty((*x.shape[:-1], weights.shape[-1]), dtype)
    result[...] = biases
    for one, out, layer in _runs(x, result, weights):
        gemm(1.0, layer.T, one.T, beta=1.0, c=out.T, overwrite_c=1)
    return result


def _multiply_transposed(gemm: Callable[..., Any], dtype: Any, delta: Array, weights: Array) -> Array:
    if delta.shape[-2] == 1:
        return delta @ weights.mT
    result = np.empty((*delta.shape[:-1], weights.shape[-2]), dtype)
    for one, out, layer in _runs(delta, result, weights):
        gemm(1.0, layer.T, one.T, trans_a=1, c=out.T, overwrite_c=1)
    return result


def _product_of_factors(gemm: Callable[..., Any], dtype: Any, activation: Array, delta: Array) -> Array:
    result = np.empty((*delta.shape[:-2], activation.shape[-1], delta.shape[-1]), dtype)
    for one, out, other in _runs(activation, result, delta):
        gemm(1.0, other.T, one.T, trans_b=1, c=out.T, overwrite_c=1)
    return result


def _subtract_product(
    gemm: Callable[..., Any], dtype: Any, weights: Array, activation: Array, delta: Array, rate: float | Array
) -> Array:
    """One call for each run, without a temporary for the product."""
    if weights.ndim > 2:
        rates = np.broadcast_to(rate, (len(weights), 1, 1))
        for layer, one, other, own_rate in zip(weights, activation, delta, rates, strict=True):
            _subtract_product(gemm, dtype, layer, one, other, own_rate.item())
    elif weights.flags.c_contiguous and weights.dtype == dtype:
        gemm(-rate, delta.T, activation.T, beta=1.0, c=weights.T, trans_b=1, overwrite_c=1)
    else:  # BLAS would update a copy, and the update would be lost
        weights -= _product_of_factors(gemm, dtype, activation, rate * delta)
    return weights


def _subtract_sum(gemv: Callable[..., Any], dtype: Any, biases: Array, delta: Array, rate: float | Array) -> Array:
    """The sum over the batch as a product with ones, which BLAS takes off the biases as it forms it."""
    batch = delta.shape[-2]
    if batch == 1:
        biases -= rate * delta
    elif biases.ndim > 2:
        rates = np.broadcast_to(rate, (len(biases), 1, 1))
        for layer, other, own_rate in zip(biases, delta, rates, strict=True):
            _subtract_sum(gemv, dtype, layer, other, own_rate.item())
    elif biases.flags.c_contiguous and biases.dtype == dtype:
        gemv(-rate, delta.T, np.ones(batch, dtype), beta=1.0, y=biases[0], overwrite_y=1)
    else:  # BLAS would update a copy
        biases -= rate * np.add.reduce(delta, axis=-2, keepdims=True)
    return biases


def _runs(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The matrices of stacked arrays, run by run."""
    return zip(*arrays, strict=True) if arrays[0].ndim == 3 else iter((arrays,))


@contextlib.contextmanager
def threads_for(batch_size: int, threads: int | None) -> Iterator[None]:
    """Set the threads of SciPy's BLAS for products of batches of this size, and hold every other BLAS to one.

    Parameters
    ----------
    batch_size : int
        A thread for each 16 examples, at most as many as BLAS has been given by the environment (by default the cores
        that this process may use).  With less work than that they cost more than they bring.
    threads : int, optional
        The number that the user wants.
    """
    libraries = ThreadpoolController().select(user_api="blas")
    controllers = libraries.lib_controllers
    ours = [library for library in controllers if _is_scipys(library.filepath)] or controllers[:1]
    wanted = {
        library: threads or max(1, min(library.num_threads, batch_size // 16)) if library in ours else 1
        for library in controllers
    }
    before = {library: library.num_threads for library in controllers}
    try:
        for library, number in wanted.items():
            library.set_num_threads(number)
        yield
    finally:
        for library, number in before.items():
            library.set_num_threads(number)


def _is_scipys(path: str) -> bool:
    """Whether a library came with SciPy: in its package, or in ``scipy.libs`` beside it."""
    return Path(path).is_relative_to(Path(scipy.__file__).parent) or Path(path).parent.name == "scipy.libs"
