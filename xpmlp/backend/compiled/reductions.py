"""Sums, means, maxima and scalar products along axes, for symbols."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from xpmlp.backend.compiled.instructions import NotTraceableError
from xpmlp.backend.compiled.shapes import copied, moveaxis, reshape, squeeze
from xpmlp.backend.compiled.symbols import FUNCTIONS, Recorder, Symbol


def real(array: Any) -> Symbol:
    """Check that an array is a symbol of reals, and return it."""
    if not isinstance(array, Symbol) or array.kind != "real":
        raise NotTraceableError("a reduction or a product of an array that is not a real one")
    return array


def row_wise(array: Symbol) -> Symbol:
    """Return an array as matrices of runs with contiguous rows."""
    array = real(array)
    if array.ndim > 3:
        array = reshape(array, (-1, array.shape[-1]))
    gaps = array.buffer is None or (array.shape[-1] > 1 and array.strides[-1] != 1)
    return copied(array) if gaps else array


def _of_rows(name: str, *arrays: Symbol) -> Symbol:
    """Reduce each row to one number: (..., 1)."""
    rows = [row_wise(one) for one in arrays]
    out = rows[0].recorder.fresh((*rows[0].shape[:-1], 1))
    rows[0].recorder.add(name, out, *(one.as_matrix() for one in rows), sizes=rows[0].shape)
    return reshape(out, (*arrays[0].shape[:-1], 1))


def _sum_over(array: Symbol, axis: int) -> Symbol:
    if axis == array.ndim - 1:
        return _of_rows("total", array)
    shape = (*array.shape[:axis], 1, *array.shape[axis + 1 :])
    if array.ndim > 3 or axis != array.ndim - 2:
        array = reshape(array, (math.prod(array.shape[:axis]), array.shape[axis], math.prod(shape[axis + 1 :])))
    array = row_wise(array)
    out = array.recorder.fresh((*array.shape[:-2], 1, array.shape[-1]))
    return reshape(array.recorder.add("sum", out, array.as_matrix(), sizes=array.shape), shape)


def _largest_over(array: Symbol, axis: int) -> Symbol:
    return moveaxis(_of_rows("largest", moveaxis(array, axis, -1)), -1, axis)


def _reduced(
    over: Callable[[Symbol, int], Symbol], array: Symbol, axis: Any = None, keepdims: bool = False, dtype: Any = None
) -> Symbol:
    """Reduce one axis after another, from the last on."""
    array = real(array)
    if dtype not in (None, array.recorder.dtype):
        raise NotTraceableError(f"a reduction in {np.dtype(dtype)}")
    axes = normalize_axis_tuple(range(array.ndim) if axis is None else axis, array.ndim)
    for one in sorted(axes, reverse=True):
        array = over(array, one)
    return array if keepdims else squeeze(array, axes)


def _mean(array: Symbol, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Symbol:
    total = _reduced(_sum_over, array, axis, keepdims, dtype)
    if array.size != total.size:
        total /= array.size // total.size
    return total


def _dot(recorder: Recorder, a: Any, b: Any, out: Any = None) -> Symbol:
    """Record the scalar products of rows."""
    a, b = recorder.symbol(a), recorder.symbol(b)
    if out is not None or min(a.ndim, b.ndim) < 1:
        raise NotTraceableError("a scalar product that is not one of rows")
    shape = np.broadcast_shapes(a.shape, b.shape)
    return squeeze(_of_rows("dot", *(one.broadcast_to(shape) for one in (a, b))), -1)


FUNCTIONS.update({np.sum: partial(_reduced, _sum_over), np.max: partial(_reduced, _largest_over), np.mean: _mean})
FUNCTIONS[np.vecdot] = _dot
