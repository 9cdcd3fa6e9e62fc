"""Products of matrices by BLAS, whole or in pieces: compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from xpmlp.backend.compiled.elementwise import multiply
from xpmlp.backend.compiled.intrinsics import call, row_of, to
from xpmlp.backend.compiled.layout import ADDED, COLUMN, COLUMNS, FACTOR, INNER, OUT, ROW, ROWS, A, B
from xpmlp.backend.compiled.places import place_of

PIECE_ROWS, PIECE_TERMS, PIECE_COLUMNS = 32, 256, 64
"""Of a product that is carried out piece by piece: what one takes stays in the core's caches.  Rows are a multiple."""

_ROW_MAJOR, _NO, _TRANSPOSED = np.int32(101), np.int32(111), np.int32(112)


@njit
def _add_multiple(length: int, factor: Any, number: Any, x: Any, y: Any) -> None:
    """``y += factor * (number * x)``, (length,) each, in BLAS's order: with a large factor the other may overflow."""
    for j in range(length):
        y[j] += factor * (number * x[j])


@njit
def _gemm(
    line: Any,
    rows: int,
    columns: int,
    inner: int,
    factor: Any,
    a: int,
    b: int,
    out: int,
    added: int,
    gemm: int,
    integer: Any,
    like: Any,
) -> None:
    """A product by BLAS, or a piece of it; a column stride of 0 says that a matrix lies transposed."""
    call(
        gemm,
        (
            _ROW_MAJOR,
            _NO if line[A + COLUMN] else _TRANSPOSED,
            _NO if line[B + COLUMN] else _TRANSPOSED,
            to(rows, integer),
            to(columns, integer),
            to(inner, integer),
            factor,
            a,
            to(line[A + ROW], integer),
            b,
            to(line[B + ROW], integer),
            to(added, like),
            out,
            to(line[OUT + ROW], integer),
        ),
    )


@njit
def product(
    line: Any,
    step: int,
    run: int,
    addresses: Any,
    strides: Any,
    gemm: int,
    unpacked: int,
    integer: Any,
    size: int,
    like: Any,
) -> None:
    """A product by BLAS, in pieces where it has kernels for small ones; that of two vectors row by row.

    Parameters
    ----------
    line, step, run, addresses, strides, size, like
        As of `xpmlp.backend.compiled.rows.row_by_row`.
    gemm, unpacked : int
        See `xpmlp.backend.compiled.loop.execute`.
    integer : number
        Of the type of BLAS's sizes.
    """
    rows, columns, inner = line[ROWS], line[COLUMNS], line[INNER]
    out = place_of(line, OUT, step, run, addresses, strides, size)
    a = place_of(line, A, step, run, addresses, strides, size)
    b = place_of(line, B, step, run, addresses, strides, size)
    factor = row_of(place_of(line, FACTOR, step, run, addresses, strides, size), 1, like)[0]
    if inner == 1:
        z, stride = row_of(b, columns, like), line[A + ROW] if line[A + COLUMN] else 1
        for i in range(rows):
            x = row_of(a + i * stride * size, 1, like)
            y = row_of(out + i * line[OUT + ROW] * size, columns, like)
            if line[ADDED]:
                _add_multiple(columns, factor, x[0], z, y)
            else:
                multiply(columns, z, x, y, False, 1, 0)
        return
    if not unpacked or rows * columns * inner <= unpacked or not line[B + COLUMN]:
        _gemm(line, rows, columns, inner, factor, a, b, out, line[ADDED], gemm, integer, like)
        return
    a_row, a_column = (line[A + ROW], 1) if line[A + COLUMN] else (1, line[A + ROW])
    terms = min(inner, PIECE_TERMS)
    height = max(PIECE_ROWS, unpacked // (terms * PIECE_COLUMNS) // PIECE_ROWS * PIECE_ROWS)
    for i in range(0, rows, height):
        for k in range(0, inner, terms):
            for j in range(0, columns, PIECE_COLUMNS):
                _gemm(
                    line,
                    min(height, rows - i),
                    min(PIECE_COLUMNS, columns - j),
                    min(terms, inner - k),
                    factor,
                    a + (i * a_row + k * a_column) * size,
                    b + (k * line[B + ROW] + j) * size,
                    out + (i * line[OUT + ROW] + j) * size,
                    line[ADDED] if k == 0 else 1,
                    gemm,
                    integer,
                    like,
                )
