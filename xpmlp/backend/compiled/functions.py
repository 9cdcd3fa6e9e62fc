"""NumPy's functions for symbols."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from xpmlp.backend.compiled.instructions import NotTraceableError, Operand
from xpmlp.backend.compiled.symbols import FUNCTIONS, Recorder, Symbol

LARGEST_POWER = 8
"""Up to which a whole power is made of products."""


# Elementwise functions


def _elementwise(name: str, recorder: Recorder, *inputs: Any, out: Any = None) -> Symbol:
    """The kernel of a name, into a new array or into one that there is."""
    symbols = [recorder.symbol(one) for one in inputs]
    if out is not None and (not isinstance(out, Symbol) or out.kind != "real"):
        raise NotTraceableError("writing to an array that is no real one of the step")
    if any(one.kind == "index" for one in symbols):
        return _of_indices(name, recorder, symbols, out)
    target = recorder.fresh(np.broadcast_shapes(*(one.shape for one in symbols))) if out is None else out
    return recorder.elementwise(name, target, *symbols)


def _of_indices(name: str, recorder: Recorder, symbols: Sequence[Symbol], out: Any) -> Symbol:
    """Sums of whole numbers."""
    first, second = (*symbols, symbols[0])[:2]
    if name == "subtract" and second.buffer is None:
        name, second = "add", _negated(recorder, second)
    if name != "add" or out is not None or not all(map(_is_whole, symbols)):
        raise NotTraceableError(f"{name} of whole numbers, or of them and reals")
    return recorder.of_indices("index_add", first, second)


def _is_whole(symbol: Symbol) -> bool:
    return symbol.kind == "index" or (symbol.buffer is None and symbol.value.is_integer())


def _compare(name: str, recorder: Recorder, x: Any, z: Any, out: Any = None) -> Symbol:
    """Truths; whole numbers are compared with numbers as reals."""
    x, z = recorder.symbol(x), recorder.symbol(z)
    if out is not None:
        raise NotTraceableError("writing truths to an array")
    if x.kind == z.kind == "index":
        if name != "equal":
            raise NotTraceableError("an order of whole numbers")
        return recorder.of_indices("index_equal", x, z)
    x, z = (one.astype(recorder.dtype) if one.kind == "index" else one for one in (x, z))
    truth = recorder.fresh(np.broadcast_shapes(x.shape, z.shape), "truth")
    return recorder.elementwise(name, truth, x, z)


def _greater_equal(recorder: Recorder, x: Any, z: Any, out: Any = None) -> Symbol:
    greater, equal = _compare("greater", recorder, x, z, out), _compare("equal", recorder, x, z)
    return recorder.elementwise("add", greater, greater.view(kind="real"), equal.view(kind="real"))


def _negated(recorder: Recorder, x: Any) -> Symbol:
    symbol = recorder.symbol(x)
    if symbol.buffer is None:
        return Symbol(recorder, None, symbol.shape, value=-symbol.value)
    return _elementwise("negative", recorder, symbol)


def _minimum(recorder: Recorder, x: Any, z: Any, out: Any = None) -> Symbol:
    largest = _elementwise("maximum", recorder, _negated(recorder, x), _negated(recorder, z))
    return _elementwise("negative", recorder, largest, out=largest if out is None else out)


def _power(recorder: Recorder, x: Any, power: Any, out: Any = None) -> Symbol:
    """Whole powers as products, and the square root."""
    if power == 0.5:
        return _elementwise("sqrt", recorder, x, out=out)
    if not isinstance(power, (int, float)) or power != int(power) or not 1 <= abs(power) <= LARGEST_POWER:
        raise NotTraceableError(f"a power that is not a whole number up to {LARGEST_POWER}")
    result, times = recorder.symbol(x), _elementwise
    for digit in f"{abs(int(power)):b}"[1:]:
        result = times("multiply", recorder, result, result)
        result = times("multiply", recorder, result, x) if digit == "1" else result
    if power < 0:
        return times("divide", recorder, 1.0, result, out=out)
    return result if out is None and power != 1 else times("copy", recorder, result, out=out)


def _where(condition: Any, x: Any, y: Any) -> Symbol:
    """``x`` where the condition is true, written over a copy of ``y``."""
    recorder: Recorder = next(one.recorder for one in (condition, x, y) if isinstance(one, Symbol))
    truth, x, y = (recorder.symbol(one) for one in (condition, x, y))
    if truth.kind != "truth" or x.kind != "real" or y.kind != "real":
        raise NotTraceableError("a choice by what is no truth, or between what are no reals")
    out = recorder.fresh(np.broadcast_shapes(truth.shape, x.shape, y.shape))
    recorder.elementwise("copy", out, y)
    return recorder.elementwise("select", out, recorder.numbers_of(truth), x)


# Shapes


def copied(array: Symbol) -> Symbol:
    """The same numbers in a new array without gaps."""
    return _put(array, array.recorder.fresh(array.shape, array.kind))


def _put(array: Symbol, out: Symbol) -> Symbol:
    recorder = array.recorder
    if array.kind == "index":
        return recorder.of_indices("index_add", array, recorder.symbol(0), out=out)
    return recorder.elementwise("copy", out, recorder.numbers_of(array) if array.kind == "truth" else array)


def reshape(array: Symbol, shape: Any) -> Symbol:
    """On the same memory where that has no gaps, or of a copy."""
    shape = tuple(shape) if isinstance(shape, (list, tuple)) else (shape,)
    known = math.prod(size for size in shape if size != -1)
    shape = tuple(array.size // known if size == -1 and known else size for size in shape)
    if math.prod(shape) != array.size or min(shape, default=0) < 0:
        raise ValueError(f"cannot reshape array of size {array.size} into shape {shape}")
    if shape == array.shape:
        return array
    if array.buffer is None:
        return array.view(shape, (0,) * len(shape))
    return (array if array.is_contiguous() else copied(array)).view(shape)


def _broadcast_to(array: Symbol, shape: Any) -> Symbol:
    return array.view(tuple(shape), array.strides_of(tuple(shape)))


def _expand_dims(array: Symbol, axis: Any) -> Symbol:
    axes = normalize_axis_tuple(axis, array.ndim + (len(axis) if isinstance(axis, tuple) else 1))
    rest = iter([slice(None)] * array.ndim)
    return array[tuple(None if one in axes else next(rest) for one in range(array.ndim + len(axes)))]


def _squeeze(array: Symbol, axis: Any = None) -> Symbol:
    axes = (
        [one for one, size in enumerate(array.shape) if size == 1]
        if axis is None
        else normalize_axis_tuple(axis, array.ndim)
    )
    if any(array.shape[one] != 1 for one in axes):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return array[tuple(0 if one in axes else slice(None) for one in range(array.ndim))]


def _transpose(array: Symbol, axes: Any = None) -> Symbol:
    return array.T if axes is None else array.permuted(normalize_axis_tuple(axes, array.ndim))


def _moveaxis(array: Symbol, source: Any, destination: Any) -> Symbol:
    sources, destinations = (normalize_axis_tuple(one, array.ndim) for one in (source, destination))
    order = [axis for axis in range(array.ndim) if axis not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return array.permuted(tuple(order))


def _swapaxes(array: Symbol, first: int, second: int) -> Symbol:
    order = list(range(array.ndim))
    order[first], order[second] = order[second], order[first]
    return array.permuted(tuple(order))


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


# Reductions


def row_wise(array: Symbol) -> Symbol:
    """As matrices of runs, whose rows have no gaps."""
    array = _real(array)
    if array.ndim > 3:
        return reshape(array, (-1, array.shape[-1]))
    gaps = array.buffer is None or (array.shape[-1] > 1 and array.strides[-1] != 1)
    return copied(array) if gaps else array


def _real(array: Any) -> Symbol:
    if not isinstance(array, Symbol) or array.kind != "real":
        raise NotTraceableError("a reduction or a product of an array that is not a real one")
    return array


def _of_rows(name: str, *arrays: Symbol) -> Symbol:
    """One number for each row: (..., 1)."""
    rows = [row_wise(one) for one in arrays]
    out = rows[0].recorder.fresh((*rows[0].shape[:-1], 1))
    rows[0].recorder.add(name, out, *(one.as_matrix() for one in rows), sizes=rows[0].shape)
    return out.view((*arrays[0].shape[:-1], 1))


def _sum_over(array: Symbol, axis: int) -> Symbol:
    if axis == array.ndim - 1:
        return _of_rows("total", array)
    shape = (*array.shape[:axis], 1, *array.shape[axis + 1 :])
    if array.ndim > 3 or axis != array.ndim - 2:
        array = reshape(array, (math.prod(array.shape[:axis]), array.shape[axis], math.prod(shape[axis + 1 :])))
    array = row_wise(array)
    out = array.recorder.fresh((*array.shape[:-2], 1, array.shape[-1]))
    return array.recorder.add("sum", out, array.as_matrix(), sizes=array.shape).view(shape)


def _largest_over(array: Symbol, axis: int) -> Symbol:
    return _moveaxis(_of_rows("largest", _moveaxis(array, axis, -1)), -1, axis)


def _reduced(over: Callable[[Symbol, int], Symbol], array: Symbol, axis: Any, keepdims: bool, dtype: Any) -> Symbol:
    """One axis after another, from the last on."""
    array = _real(array)
    if dtype not in (None, array.recorder.dtype):
        raise NotTraceableError(f"a reduction in {np.dtype(dtype)}")
    axes = normalize_axis_tuple(range(array.ndim) if axis is None else axis, array.ndim)
    for one in sorted(axes, reverse=True):
        array = over(array, one)
    return array if keepdims else _squeeze(array, axes)


def _sum(array: Symbol, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Symbol:
    return _reduced(_sum_over, array, axis, keepdims, dtype)


def _mean(array: Symbol, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Symbol:
    total = _sum(array, axis, keepdims, dtype)
    if array.size != total.size:
        array.recorder.elementwise("divide", total, total, array.recorder.symbol(array.size // total.size))
    return total


def _max(array: Symbol, axis: Any = None, keepdims: bool = False) -> Symbol:
    return _reduced(_largest_over, array, axis, keepdims, None)


def _dot(recorder: Recorder, a: Any, b: Any, out: Any = None) -> Symbol:
    """Scalar products of rows."""
    a, b = recorder.symbol(a), recorder.symbol(b)
    if out is not None or min(a.ndim, b.ndim) < 1:
        raise NotTraceableError("a scalar product that is not one of rows")
    shape = np.broadcast_shapes(a.shape, b.shape)
    return _squeeze(_of_rows("dot", *(_broadcast_to(one, shape) for one in (a, b))), -1)


# Rows by their numbers


def _take(array: Symbol, indices: Any, axis: int | None = None) -> Symbol:
    recorder: Recorder = (array if isinstance(array, Symbol) else indices).recorder
    table, indices = recorder.symbol(array), recorder.symbol(indices)
    if axis is None or table.ndim not in (2, 3) or normalize_axis_index(axis, table.ndim) != table.ndim - 2:
        raise NotTraceableError("taking other parts than rows of matrices")
    if indices.kind != "index" or indices.buffer is None or (table.ndim == 3 and indices.ndim != 1):
        raise NotTraceableError("taking by other numbers than those of rows")
    table, flat = row_wise(table), recorder.wide(reshape(indices, (-1,)))
    *runs, rows, columns = table.shape
    if rows > 1 and table.strides[-2] < columns:
        table = copied(table)
    out = recorder.fresh((*runs, flat.size, columns))
    numbers = Operand(flat.buffer, 0, 0, flat.strides[0], offset=flat.offset)
    recorder.add("take", out, table.as_matrix(), numbers, inner=rows)
    return out.view((*runs, *indices.shape, columns))


def add_rows(recorder: Recorder, table: Symbol, codes: Any, rows: Any) -> Symbol:
    """`xpmlp.nn.Ops.add_rows` as a sum in the order of the batch."""
    codes, rows = recorder.symbol(codes), row_wise(recorder.symbol(rows))
    if codes.kind != "index" or not 2 <= rows.ndim == table.ndim <= 3 or codes.shape != rows.shape[:-1]:
        raise NotTraceableError("adding rows of other shapes")
    codes = recorder.wide(codes)
    numbers = Operand(codes.buffer, codes.strides[0] if codes.ndim == 2 else 0, 0, codes.strides[-1])
    out = recorder.fresh(table.shape)
    more = {"sizes": rows.shape, "inner": table.shape[-2]}
    return recorder.add("add_rows", out, rows.as_matrix(), numbers._replace(offset=codes.offset), **more)


# Products


def product(
    recorder: Recorder, a: Any, b: Any, out: Symbol | None = None, factor: Operand | None = None, added: bool = False
) -> Symbol:
    """Write a matrix product down, which is put into a new array, or added to ``out``.

    Parameters
    ----------
    recorder : Recorder
    a : (..., rows, inner)
    b : (..., inner, columns)
    out : (..., rows, columns), optional
        Row-major, and neither ``a`` nor ``b``.
    factor : Operand, optional
        One number, or one for each run; 1 if not given.  Only with ``out`` of three axes at most.
    added : bool
        Whether the product is added to ``out``.
    """
    a, b = (_real(recorder.symbol(one)) for one in (a, b))
    if min(a.ndim, b.ndim) < 2:
        raise NotTraceableError("a product with a vector")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: arrays of shapes {a.shape} and {b.shape} do not fit together")
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*lead, a.shape[-2], b.shape[-1])
    result = recorder.fresh(shape) if out is None else out
    if result.shape != shape:
        raise ValueError(f"matmul: a product of shape {shape} is put into an array of shape {result.shape}")
    if not result.is_contiguous():
        raise NotTraceableError("a product that is put into an array with gaps")
    a, b = (_broadcast_to(_by_blas(one), (*lead, *one.shape[-2:])) for one in (a, b))
    more: dict[str, Any] = {"inner": a.shape[-1], "factor": factor or Operand(None, value=1.0), "added": added}
    _stacked(recorder, a, b, result, more)
    return result


def _stacked(recorder: Recorder, a: Symbol, b: Symbol, out: Symbol, more: dict[str, Any]) -> None:
    """Products of stacked matrices, by as few instructions as their strides allow."""
    lead = out.shape[:-2]
    if len(lead) <= 1:
        recorder.add("product", out, _factor(a), _factor(b), **more)
    elif 1 in lead:
        axis = lead.index(1)
        a, b, out = (_squeeze(one, axis) for one in (a, b, out))
        _stacked(recorder, a, b, out, more)
    elif not b.strides[-3]:  # the same second factor: more rows of one product
        rows = (*lead[:-1], lead[-1] * a.shape[-2])
        a = _by_blas(reshape(a, (*rows, a.shape[-1])))
        _stacked(recorder, a, b[..., 0, :, :], out.view((*rows, out.shape[-1]), offset=out.offset), more)
    elif all(one.strides[-4] == one.shape[-3] * one.strides[-3] for one in (a, b)):
        runs = (*lead[:-2], lead[-2] * lead[-1])
        a, b, out = (one.view((*runs, *one.shape[-2:]), (*one.strides[:-4], *one.strides[-3:])) for one in (a, b, out))
        _stacked(recorder, a, b, out, more)
    else:
        for index in range(lead[0]):
            _stacked(recorder, a[index], b[index], out[index], more)


def _by_blas(matrix: Symbol) -> Symbol:
    """Matrices as BLAS takes them, or copies of them."""
    (rows, columns), (row, column) = matrix.shape[-2:], matrix.strides[-2:]
    known = (row, column) in ((columns, 1), (1, rows))
    plain, transposed = column == 1 and (row >= columns or rows == 1), row == 1 and column >= rows > 1
    return matrix if matrix.buffer and (known or plain or transposed) else copied(matrix)


def _factor(matrix: Symbol) -> Operand:
    """Matrices of a product, as they lie in memory."""
    (rows, columns), (row, column) = matrix.shape[-2:], matrix.strides[-2:]
    place = Operand(matrix.buffer, (0, *matrix.strides)[-3] if matrix.ndim > 2 else 0, offset=matrix.offset)
    if (row, column) != (columns, 1) and (row, column) == (1, rows):
        return place._replace(row=rows, column=1, transposed=True)
    if column == 1:
        return place._replace(row=row if rows > 1 else columns, column=1)
    return place._replace(row=column, column=1, transposed=True)


def _matmul(recorder: Recorder, a: Any, b: Any, out: Any = None) -> Symbol:
    if out is not None:
        raise NotTraceableError("a product that is put elsewhere")
    return product(recorder, a, b)


def _filled(value: float) -> Callable[..., Symbol]:
    """An array of one number of the shape of another."""

    def filled(array: Symbol, *_: Any, dtype: Any = None, **__: Any) -> Symbol:
        if dtype not in (None, array.recorder.dtype) or array.kind != "real":
            raise NotTraceableError("an array of one number that is not real")
        return Symbol(array.recorder, None, array.shape, value=value)

    return filled


_OF_TWO, _OF_ONE = ("add", "subtract", "multiply", "divide", "maximum"), ("negative", "absolute", "sign", "sqrt", "exp")
KERNELS = {name: getattr(np, name) for name in (*_OF_TWO, *_OF_ONE, "expm1", "log", "log1p", "sin", "cos", "tanh")}
"""NumPy's functions of numbers one by one, by the kernel that does the same."""

FUNCTIONS.update({ufunc: partial(_elementwise, name) for name, ufunc in {**KERNELS, "copy": np.positive}.items()})
_OTHERS: dict[Any, Callable[..., Any]] = {
    np.minimum: _minimum,
    np.greater: partial(_compare, "greater"),
    np.less: lambda recorder, x, z, out=None: _compare("greater", recorder, z, x, out),
    np.greater_equal: _greater_equal,
    np.less_equal: lambda recorder, x, z, out=None: _greater_equal(recorder, z, x, out),
    np.equal: partial(_compare, "equal"),
    np.square: lambda recorder, x, out=None: _elementwise("multiply", recorder, x, x, out=out),
    np.reciprocal: lambda recorder, x, out=None: _elementwise("divide", recorder, 1.0, x, out=out),
    np.power: _power,
    np.where: _where,
    np.matmul: _matmul,
    np.vecdot: _dot,
    np.take: _take,
    np.sum: _sum,
    np.mean: _mean,
    np.max: _max,
    np.reshape: reshape,
    np.broadcast_to: _broadcast_to,
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.transpose: _transpose,
    np.matrix_transpose: lambda array: array.mT,
    np.moveaxis: _moveaxis,
    np.swapaxes: _swapaxes,
    np.concatenate: _concatenate,
    np.zeros_like: _filled(0.0),
    np.ones_like: _filled(1.0),
}
FUNCTIONS.update(_OTHERS)
