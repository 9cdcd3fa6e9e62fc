"""NumPy's shape functions for symbols: views of the same memory, or copies where a view is not possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from xpmlp.backend.compiled.instructions import NotTraceableError
from xpmlp.backend.compiled.symbols import FUNCTIONS, Recorder, Symbol


def copied(array: Symbol) -> Symbol:
    """Copy an array to new memory without gaps."""
    return _put(array, array.recorder.fresh(array.shape, array.kind))


def _put(array: Symbol, out: Symbol) -> Symbol:
    recorder = array.recorder
    if array.kind == "index":
        return recorder.of_indices("index_add", array, recorder.symbol(0), out=out)
    return recorder.elementwise("copy", out, recorder.numbers_of(array) if array.kind == "truth" else array)


def reshape(array: Symbol, shape: Any) -> Symbol:
    """Reshape an array on the same memory if possible, otherwise on a copy."""
    layout = np.reshape(array.layout, shape)
    if array.size and not np.may_share_memory(layout, array.layout):
        return reshape(copied(array), shape)
    return array.seen(layout)


def _viewing(function: Callable[..., Any]) -> Callable[..., Symbol]:
    """Make a function of symbols from a NumPy function that returns a view, by applying it to their layouts."""
    return lambda array, *arguments, **named: array.seen(function(array.layout, *arguments, **named))


def _concatenate(arrays: Sequence[Any], axis: int = 0) -> Symbol:
    recorder: Recorder = next(one.recorder for one in arrays if isinstance(one, Symbol))
    symbols = [recorder.symbol(one) for one in arrays]
    first, kinds = symbols[0], {one.kind for one in symbols}
    axis = normalize_axis_index(axis, first.ndim)
    before, after = first.shape[:axis], first.shape[axis + 1 :]
    if len(kinds) > 1 or any((one.shape[:axis], one.shape[axis + 1 :]) != (before, after) for one in symbols):
        raise NotTraceableError("joining arrays of other shapes or types")
    out, begin = recorder.fresh((*before, sum(one.shape[axis] for one in symbols), *after), first.kind), 0
    for one in symbols:
        end = begin + one.shape[axis]
        _put(one, out[(slice(None),) * axis + (slice(begin, end),)])
        begin = end
    return out


squeeze, moveaxis = _viewing(np.squeeze), _viewing(np.moveaxis)
_VIEWS = (np.expand_dims, np.transpose, np.matrix_transpose, np.swapaxes)
FUNCTIONS.update({function: _viewing(function) for function in _VIEWS})
FUNCTIONS.update({np.reshape: reshape, np.broadcast_to: Symbol.broadcast_to, np.concatenate: _concatenate})
FUNCTIONS.update({np.squeeze: squeeze, np.moveaxis: moveaxis})
