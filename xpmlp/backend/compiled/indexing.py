"""Rows of a table taken by index, and rows added to it by index, for symbols."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from xpmlp.backend.compiled.instructions import NotTraceableError, Operand
from xpmlp.backend.compiled.reductions import row_wise
from xpmlp.backend.compiled.shapes import copied, reshape
from xpmlp.backend.compiled.symbols import FUNCTIONS, Recorder, Symbol


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
    return reshape(out, (*runs, *indices.shape, columns))


def add_rows(recorder: Recorder, table: Symbol, codes: Any, rows: Any) -> Symbol:
    """Record `xpmlp.nn.Ops.add_rows` as a sum in the order of the batch."""
    codes, rows = recorder.symbol(codes), row_wise(recorder.symbol(rows))
    if codes.kind != "index" or not 2 <= rows.ndim == table.ndim <= 3 or codes.shape != rows.shape[:-1]:
        raise NotTraceableError("adding rows of other shapes")
    codes = recorder.wide(codes)
    numbers = Operand(codes.buffer, codes.strides[0] if codes.ndim == 2 else 0, 0, codes.strides[-1])
    out = recorder.fresh(table.shape)
    more = {"sizes": rows.shape, "inner": table.shape[-2]}
    return recorder.add("add_rows", out, rows.as_matrix(), numbers._replace(offset=codes.offset), **more)


FUNCTIONS[np.take] = _take
