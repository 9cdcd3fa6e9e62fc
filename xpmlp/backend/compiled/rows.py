"""The kernels that go through a matrix row by row: compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from xpmlp.backend.compiled.elementwise import copy, exponentials, multiply
from xpmlp.backend.compiled.intrinsics import prefetch, row_of, to
from xpmlp.backend.compiled.layout import (
    ADD_ROWS,
    ADDED,
    COLUMN,
    COLUMNS,
    DOT,
    FACTOR,
    INDEX_ADD,
    INDEX_EQUAL,
    INDEX_REAL,
    INDEX_WIDEN,
    INNER,
    KERNEL,
    LARGEST,
    OUT,
    ROW,
    ROWS,
    SOFTMAX,
    SUM,
    TAKE,
    TOTAL,
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


@njit(fastmath={"reassoc"})
def _total(length: int, x: Any) -> Any:
    """The sum of a vector, (length,), many sums side by side."""
    total = to(0.0, x[0])
    for j in range(length):
        total += x[j]
    return total


@njit
def _largest(length: int, x: Any) -> Any:
    """The largest number of a vector, (length,); NaN if there is one."""
    largest = x[0]
    for j in range(1, length):
        largest = x[j] if x[j] > largest or x[j] != x[j] else largest
    return largest


@njit
def _whole_numbers(kernel: int, length: int, x: Any, x_column: int, z: Any, z_column: int, out: int, like: Any) -> None:
    """A row of an instruction on whole numbers: their sums; or as reals they, or their equality."""
    y, n = row_of(out, length, like), row_of(out, length, length)
    for j in range(length):
        prefetch(out)  # so that this is compiled to no vectors: it is rare
        if kernel == INDEX_ADD:
            n[j] = x[j * x_column] + z[j * z_column]
        else:
            y[j] = to(x[j * x_column] if kernel == INDEX_REAL else int(x[j * x_column] == z[j * z_column]), like)


@njit(error_model="numpy")
def row_by_row(line: Any, step: int, run: int, addresses: Any, strides: Any, size: int, like: Any) -> bool:
    """An instruction that goes through a matrix row by row, or one on whole numbers.

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
    elif kernel in (DOT, TOTAL, LARGEST):
        for i in range(rows):
            x = row_of(a + i * line[A + ROW] * size, columns, like)
            y = row_of(out + i * line[OUT + ROW] * size, 1, like)
            if kernel == DOT:
                y[0] = _dot(columns, x, row_of(b + i * line[B + ROW] * size, columns, like))
            elif kernel == TOTAL:
                y[0] = _total(columns, x)
            else:
                y[0] = _largest(columns, x)
    elif kernel == SOFTMAX:
        y = row_of(out, rows * columns, like)
        for i in range(rows):
            x = row_of(a + i * line[A + ROW] * size, columns, like)
            _subtract_largest(columns, x, row_of(out + i * columns * size, columns, like))
        exponentials(rows * columns, y, y, True)  # of all rows at once: those of a network are short
        for i in range(rows):
            _divide_by_sum(columns, row_of(out + i * columns * size, columns, like))
    elif kernel == INDEX_WIDEN:
        n, narrow = row_of(out, columns, columns), row_of(a, columns, np.int32(0))
        for j in range(columns):
            n[j] = narrow[j]
    elif kernel >= INDEX_ADD:
        each = size if kernel >= INDEX_EQUAL else 8
        for i in range(rows):
            x, z = (
                row_of(a + i * line[A + ROW] * 8, columns, columns),
                row_of(b + i * line[B + ROW] * 8, columns, columns),
            )
            at = out + i * line[OUT + ROW] * each
            _whole_numbers(kernel, columns, x, line[A + COLUMN], z, line[B + COLUMN], at, like)
    elif kernel == ADD_ROWS:
        numbers, one = row_of(b, rows, rows), to(1.0, like)
        for i in range(line[INNER]):
            row_of(out + i * line[OUT + ROW] * size, columns, like)[:] = to(0.0, like)
        for i in range(rows):
            number = numbers[i * line[B + COLUMN]]
            if not 0 <= number < line[INNER]:
                return False
            y = row_of(out + number * line[OUT + ROW] * size, columns, like)
            _add_row(columns, one, row_of(a + i * line[A + ROW] * size, columns, like), y)
    else:
        numbers, width, apart = row_of(b, rows, rows), line[A + ROW], line[B + COLUMN]
        each = size if kernel == TAKE else 1
        scale = row_of(place_of(line, FACTOR, step, run, addresses, strides, size), 1, like)[0]
        for i in range(rows):
            number = numbers[i * apart]
            if not 0 <= number < line[INNER]:
                return False
            if i + AHEAD < rows:
                for place in range(0, width * each, CACHE_LINE):
                    prefetch(a + numbers[(i + AHEAD) * apart] * width * each + place)
            y = row_of(out + i * line[OUT + ROW] * size, columns, like)
            if kernel == TAKE:
                copy(columns, row_of(a + number * width * size, columns, like), y, False)
            else:
                _scale(columns, scale, row_of(a + number * width, columns, np.uint8(0)), y)
    return True
