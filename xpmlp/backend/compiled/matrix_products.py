"""Matrix products of symbols, in as few instructions as the strides of stacked matrices allow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from xpmlp.backend.compiled.instructions import NotTraceableError, Operand
from xpmlp.backend.compiled.reductions import real
from xpmlp.backend.compiled.shapes import copied, reshape, squeeze
from xpmlp.backend.compiled.symbols import FUNCTIONS, Recorder, Symbol


def product(
    recorder: Recorder, a: Any, b: Any, out: Symbol | None = None, factor: Operand | None = None, added: bool = False
) -> Symbol:
    """Record a matrix product, written to a new array or to ``out``, or added to ``out``.

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
    a, b = (real(recorder.symbol(one)) for one in (a, b))
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
    a, b = (_repeated(_by_blas(one), lead) for one in (a, b))
    more: dict[str, Any] = {"inner": a.shape[-1], "factor": factor or Operand(None, value=1.0), "added": added}
    _stacked(recorder, a, b, result, more)
    return result


def _repeated(matrices: Symbol, lead: tuple[int, ...]) -> Symbol:
    """Broadcast stacked matrices to other leading axes, keeping the strides of the matrices."""
    shape = *lead, *matrices.shape[-2:]
    strides = *matrices.broadcast_to(shape).strides[:-2], *matrices.strides[-2:]
    return _with_layout(matrices, shape, strides)


def _with_layout(array: Symbol, shape: tuple[int, ...], strides: tuple[int, ...]) -> Symbol:
    """View an array with exactly these strides: NumPy changes those of axes of length 1, which BLAS is given."""
    return array.seen(as_strided(array.layout, shape, strides))


def _stacked(recorder: Recorder, a: Symbol, b: Symbol, out: Symbol, more: dict[str, Any]) -> None:
    """Record products of stacked matrices, each instruction with at most one axis of runs."""
    lead = out.shape[:-2]
    if len(lead) <= 1:
        recorder.add("product", out, _factor(a), _factor(b), **more)
    elif 1 in lead:
        a, b, out = (squeeze(one, lead.index(1)) for one in (a, b, out))
        _stacked(recorder, a, b, out, more)
    elif not b.strides[-3]:  # the same second factor: more rows of one product
        rows = (*lead[:-1], lead[-1] * a.shape[-2])
        a = _by_blas(reshape(a, (*rows, a.shape[-1])))
        _stacked(recorder, a, b[..., 0, :, :], reshape(out, (*rows, out.shape[-1])), more)
    elif all(one.strides[-4] == one.shape[-3] * one.strides[-3] for one in (a, b)):
        runs = (*lead[:-2], lead[-2] * lead[-1])
        a, b = (_with_layout(one, (*runs, *one.shape[-2:]), (*one.strides[:-4], *one.strides[-3:])) for one in (a, b))
        _stacked(recorder, a, b, reshape(out, (*runs, *out.shape[-2:])), more)
    else:
        for index in range(lead[0]):
            _stacked(recorder, a[index], b[index], out[index], more)


def _by_blas(matrix: Symbol) -> Symbol:
    """Return matrices in a form that BLAS takes, copied if necessary."""
    (rows, columns), (row, column) = matrix.shape[-2:], matrix.strides[-2:]
    known = (row, column) in ((columns, 1), (1, rows))
    plain, transposed = column == 1 and (row >= columns or rows == 1), row == 1 and column >= rows > 1
    return matrix if matrix.buffer and (known or plain or transposed) else copied(matrix)


def _factor(matrix: Symbol) -> Operand:
    """Return the operand for the matrices of a product, as they lie in memory."""
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


FUNCTIONS[np.matmul] = _matmul
