"""The kernels that go through a matrix row by row: compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from xpmlp.backend.compiled.elementwise import copy, exponentials, multiply
from xpmlp.backend.compiled.intrinsics import prefetch, row_of, to
from xpmlp.backend.compiled.layout import (
    ADDED,
    COLUMNS,
    DOT,
    FACTOR,
    INNER,
    KERNEL,
    OUT,
    ROW,
    ROWS,
    SOFTMAX,
    SUM,
    TAKE,
    A,
    B,
)
from xpmlp.backend.compiled.places import place_of

AHEAD, CACHE_LINE = 4, 64
"""How many rows of the data are fetched before they are read, since they lie anywhere; bytes of a line of the cache."""


@njit
def _subtract_largest(length: int, x: Any, y: Any) -> None:
    """``y = x - max(x)``, (length,) each."""
    largest = x[0]
    for j in range(1, length):
        largest = x[j] if x[j] > largest else largest
    for j in range(length):
        y[j] = x[j] - largest


@njit(error_model="numpy")
def _divide_by_sum(length: int, y: Any) -> None:
    """``y /= sum(y)``, (length,)."""
    total = to(0.0, y[0])
    for j in range(length):
        total += y[j]
    for j in range(length):
        y[j] /= total


@njit
def _add_row(length: int, factor: Any, x: Any, y: Any) -> None:
    """``y += factor * x``, (length,) each."""
    for j in range(length):
        y[j] += factor * x[j]


@njit
def _scale(length: int, factor: Any, x: Any, y: Any) -> None:
    """``y = factor * x`` of bytes, (length,) each."""
    for j in range(length):
        y[j] = factor * to(x[j], factor)


@njit(fastmath={"reassoc"})
def _dot(length: int, x: Any, z: Any) -> Any:
    """The scalar product of two vectors, (length,) each, summed in any order, as BLAS does: many sums side by side."""
    total = to(0.0, x[0])
    for j in range(length):
        total += x[j] * z[j]
    return total


@njit(error_model="numpy")
def row_by_row(line: Any, step: int, run: int, addresses: Any, strides: Any, size: int, like: Any) -> bool:
    """An instruction that goes through a matrix row by row: a sum, a scalar product, a softmax, or taking rows.

    Parameters
    ----------
    line : (WIDTH,) of int64
        The instruction, as `layout` has it.
    step, run : int
    addresses, strides : (slots,) of int64
        See `xpmlp.backend.compiled.loop.execute`, as all that follows.
    size : int
    like : number

    Returns
    -------
    done : bool
        False if a row index is out of range; nothing is written outside the result all the same.
    """
    kernel, rows, columns = line[KERNEL], line[ROWS], line[COLUMNS]
    out = place_of(line, OUT, step, run, addresses, strides, size)
    a = place_of(line, A, step, run, addresses, strides, size)
    b = place_of(line, B, step, run, addresses, strides, size)
    if kernel == SUM:
        factor = row_of(place_of(line, FACTOR, step, run, addresses, strides, size), 1, like)
        y, begin = row_of(out, columns, like), 0
        if not line[ADDED]:
            multiply(columns, row_of(a, columns, like), factor, y, False, 1, 0)
            begin = 1
        for i in range(begin, rows):
            _add_row(columns, factor[0], row_of(a + i * line[A + ROW] * size, columns, like), y)
    elif kernel == DOT:
        row_of(out, 1, like)[0] = _dot(columns, row_of(a, columns, like), row_of(b, columns, like))
    elif kernel == SOFTMAX:
        y = row_of(out, rows * columns, like)
        for i in range(rows):
            x = row_of(a + i * line[A + ROW] * size, columns, like)
            _subtract_largest(columns, x, row_of(out + i * columns * size, columns, like))
        exponentials(rows * columns, y, y, True)  # of all rows at once: those of a network are short
        for i in range(rows):
            _divide_by_sum(columns, row_of(out + i * columns * size, columns, like))
    else:
        numbers, width = row_of(b, rows, rows), line[A + ROW]
        each = size if kernel == TAKE else 1
        scale = row_of(place_of(line, FACTOR, step, run, addresses, strides, size), 1, like)[0]
        for i in range(rows):
            if not 0 <= numbers[i] < line[INNER]:
                return False
            if i + AHEAD < rows:
                for place in range(0, width * each, CACHE_LINE):
                    prefetch(a + numbers[i + AHEAD] * width * each + place)
            y = row_of(out + i * line[OUT + ROW] * size, columns, like)
            if kernel == TAKE:
                copy(columns, row_of(a + numbers[i] * width * size, columns, like), y, False)
            else:
                _scale(columns, scale, row_of(a + numbers[i] * width, columns, np.uint8(0)), y)
    return True
