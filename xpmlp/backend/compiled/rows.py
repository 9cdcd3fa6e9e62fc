"""Compiled kernels that go through a matrix row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from xpmlp.backend.compiled import layout
from xpmlp.backend.compiled.elementwise import copy, exponentials, multiply
from xpmlp.backend.compiled.intrinsics import operand_address, prefetch, row_of, to
from xpmlp.backend.compiled.layout import Slots

AHEAD, CACHE_LINE = 4, 64
"""Number of rows of the data to prefetch, since they are scattered in memory; bytes of a cache line."""


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
    """Compute a row of an instruction on integers: their sums; or as reals, their values or their equality."""
    y, n = row_of(out, length, like), row_of(out, length, length)
    for j in range(length):
        prefetch(out)  # keeps this rare loop from being vectorized
        if kernel == layout.INDEX_ADD:
            n[j] = x[j * x_column] + z[j * z_column]
        else:
            y[j] = to(x[j * x_column] if kernel == layout.INDEX_REAL else int(x[j * x_column] == z[j * z_column]), like)


@njit(error_model="numpy")
def row_by_row(line: Any, step: int, run: int, slots: Slots) -> bool:
    """Carry out an instruction that goes through a matrix row by row, or one on integers.

    Parameters
    ----------
    line : (WIDTH,) of int64
        The instruction, in the form of `layout`.
    step, run : int
    slots : Slots

    Returns
    -------
    done : bool
        False if a row index is out of range; nothing is written outside the result all the same.
    """
    size, like = slots.size, slots.like
    kernel, rows, columns = line[layout.KERNEL], line[layout.ROWS], line[layout.COLUMNS]
    out = operand_address(line, layout.OUT, step, run, slots)
    a = operand_address(line, layout.A, step, run, slots)
    b = operand_address(line, layout.B, step, run, slots)
    if kernel == layout.SUM:
        factor = row_of(operand_address(line, layout.FACTOR, step, run, slots), 1, like)
        y, begin = row_of(out, columns, like), 0
        if not line[layout.ADDED]:
            multiply(columns, row_of(a, columns, like), 1, factor, 0, y, False)
            begin = 1
        for i in range(begin, rows):
            _add_row(columns, factor[0], row_of(a + i * line[layout.A_ROW] * size, columns, like), y)
    elif kernel in (layout.DOT, layout.TOTAL, layout.LARGEST):
        for i in range(rows):
            x = row_of(a + i * line[layout.A_ROW] * size, columns, like)
            y = row_of(out + i * line[layout.OUT_ROW] * size, 1, like)
            if kernel == layout.DOT:
                y[0] = _dot(columns, x, row_of(b + i * line[layout.B_ROW] * size, columns, like))
            elif kernel == layout.TOTAL:
                y[0] = _total(columns, x)
            else:
                y[0] = _largest(columns, x)
    elif kernel == layout.SOFTMAX:
        y = row_of(out, rows * columns, like)
        for i in range(rows):
            x = row_of(a + i * line[layout.A_ROW] * size, columns, like)
            _subtract_largest(columns, x, row_of(out + i * columns * size, columns, like))
        exponentials(rows * columns, y, 1, y, 1, y, True)  # of all rows at once: those of a network are short
        for i in range(rows):
            _divide_by_sum(columns, row_of(out + i * columns * size, columns, like))
    elif kernel == layout.INDEX_WIDEN:
        n, narrow = row_of(out, columns, columns), row_of(a, columns, np.int32(0))
        for j in range(columns):
            n[j] = narrow[j]
    elif kernel >= layout.INDEX_ADD:
        each = size if kernel >= layout.INDEX_EQUAL else 8
        for i in range(rows):
            x, z = (
                row_of(a + i * line[layout.A_ROW] * 8, columns, columns),
                row_of(b + i * line[layout.B_ROW] * 8, columns, columns),
            )
            at = out + i * line[layout.OUT_ROW] * each
            _whole_numbers(kernel, columns, x, line[layout.A_COLUMN], z, line[layout.B_COLUMN], at, like)
    elif kernel == layout.ADD_ROWS:
        numbers, one = row_of(b, rows, rows), to(1.0, like)
        for i in range(line[layout.INNER]):
            row_of(out + i * line[layout.OUT_ROW] * size, columns, like)[:] = to(0.0, like)
        for i in range(rows):
            number = numbers[i * line[layout.B_COLUMN]]
            if not 0 <= number < line[layout.INNER]:
                return False
            y = row_of(out + number * line[layout.OUT_ROW] * size, columns, like)
            _add_row(columns, one, row_of(a + i * line[layout.A_ROW] * size, columns, like), y)
    else:
        numbers, width, apart = row_of(b, rows, rows), line[layout.A_ROW], line[layout.B_COLUMN]
        each = size if kernel == layout.TAKE else 1
        scale = row_of(operand_address(line, layout.FACTOR, step, run, slots), 1, like)[0]
        for i in range(rows):
            number = numbers[i * apart]
            if not 0 <= number < line[layout.INNER]:
                return False
            if i + AHEAD < rows:
                for place in range(0, width * each, CACHE_LINE):
                    prefetch(a + numbers[(i + AHEAD) * apart] * width * each + place)
            y = row_of(out + i * line[layout.OUT_ROW] * size, columns, like)
            if kernel == layout.TAKE:
                copy(columns, row_of(a + number * width * size, columns, like), 1, y, 1, y, False)
            else:
                _scale(columns, scale, row_of(a + number * width, columns, np.uint8(0)), y)
    return True
