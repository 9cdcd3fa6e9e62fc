"""Compiled matrix products by BLAS, whole or in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from xpmlp.backend.compiled import layout
from xpmlp.backend.compiled.elementwise import multiply
from xpmlp.backend.compiled.intrinsics import call, operand_address, row_of, to
from xpmlp.backend.compiled.layout import Gemm, Slots

PIECE_ROWS, PIECE_TERMS, PIECE_COLUMNS = 32, 256, 64
"""Sizes of a product's pieces, whose numbers stay in the core's caches; the rows are a multiple of the first."""

_ROW_MAJOR, _NO, _TRANSPOSED = np.int32(101), np.int32(111), np.int32(112)


@njit
def _add_multiple(length: int, factor: Any, number: Any, x: Any, y: Any) -> None:
    """``y += factor * (number * x)``, (length,) each, in BLAS's order: with a large factor the other may overflow."""
    for j in range(length):
        y[j] += factor * (number * x[j])


@njit
def _multiplied(
    line: Any, rows: int, columns: int, inner: int, factor: Any, a: int, b: int, out: int, added: Any, gemm: Gemm
) -> None:
    """Compute a product by BLAS, or a piece of it; a column stride of 0 marks a transposed matrix."""
    a_order = _NO if line[layout.A_COLUMN] else _TRANSPOSED
    b_order = _NO if line[layout.B_COLUMN] else _TRANSPOSED
    sizes = to(rows, gemm.integer), to(columns, gemm.integer), to(inner, gemm.integer)
    a_row, b_row, out_row = (
        to(line[layout.A_ROW], gemm.integer),
        to(line[layout.B_ROW], gemm.integer),
        to(line[layout.OUT_ROW], gemm.integer),
    )
    call(
        gemm.address,
        (_ROW_MAJOR, a_order, b_order, *sizes, factor, a, a_row, b, b_row, to(added, factor), out, out_row),
    )


@njit
def product(line: Any, step: int, run: int, slots: Slots, gemm: Gemm) -> None:
    """Compute a product by BLAS, in pieces if it has kernels for small ones; that of two vectors row by row.

    Parameters
    ----------
    line, step, run, slots
        As of `xpmlp.backend.compiled.rows.row_by_row`.
    gemm : Gemm
    """
    size, like = slots.size, slots.like
    rows, columns, inner = line[layout.ROWS], line[layout.COLUMNS], line[layout.INNER]
    out = operand_address(line, layout.OUT, step, run, slots)
    a = operand_address(line, layout.A, step, run, slots)
    b = operand_address(line, layout.B, step, run, slots)
    factor = row_of(operand_address(line, layout.FACTOR, step, run, slots), 1, like)[0]
    if inner == 1:
        z, stride = row_of(b, columns, like), line[layout.A_ROW] if line[layout.A_COLUMN] else 1
        for i in range(rows):
            x = row_of(a + i * stride * size, 1, like)
            y = row_of(out + i * line[layout.OUT_ROW] * size, columns, like)
            if line[layout.ADDED]:
                _add_multiple(columns, factor, x[0], z, y)
            else:
                multiply(columns, z, 1, x, 0, y, False)
        return
    if not gemm.unpacked or rows * columns * inner <= gemm.unpacked or not line[layout.B_COLUMN]:
        _multiplied(line, rows, columns, inner, factor, a, b, out, line[layout.ADDED], gemm)
        return
    a_row, a_column = (line[layout.A_ROW], 1) if line[layout.A_COLUMN] else (1, line[layout.A_ROW])
    terms = min(inner, PIECE_TERMS)
    height = max(PIECE_ROWS, gemm.unpacked // (terms * PIECE_COLUMNS) // PIECE_ROWS * PIECE_ROWS)
    for i in range(0, rows, height):
        for k in range(0, inner, terms):
            for j in range(0, columns, PIECE_COLUMNS):
                a_piece, b_piece = (
                    a + (i * a_row + k * a_column) * size,
                    b + (k * line[layout.B_ROW] + j) * size,
                )
                out_piece, added = (
                    out + (i * line[layout.OUT_ROW] + j) * size,
                    line[layout.ADDED] if k == 0 else 1,
                )
                count, width, depth = min(height, rows - i), min(PIECE_COLUMNS, columns - j), min(terms, inner - k)
                _multiplied(line, count, width, depth, factor, a_piece, b_piece, out_piece, added, gemm)
